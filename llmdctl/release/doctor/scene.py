"""Everything that was observed, at one moment. Judging looks at this and at nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, NamedTuple

from llmdctl.lint import Manifest, World, lint
from llmdctl.lint.pods import RUN_ONCE, Container, Pod
from llmdctl.model.finding import Finding

_NO_TEMPLATES: Final = frozenset({"Pod", "ReplicaSet", *RUN_ONCE})


class LogKey(NamedTuple):
    """Whose words."""

    namespace: str
    pod: str
    container: str


class AskedKey(NamedTuple):
    """A page of a pod."""

    namespace: str
    pod: str
    port: int
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came back: a status, or the reason why nothing did."""

    status: int | None = None
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    failure: str = ""  # `connection refused`; empty when there is a status
    untried: bool = False  # it could not be asked at all: no right, or nothing that forwards

    @property
    def good(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Unread:
    """A kind that could not be listed."""

    kind: str
    namespace: str
    message: str
    right: str = ""  # what is missing: `list httproutes.gateway.networking.k8s.io`; empty: no right is


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """The one real request."""

    entrance: str  # through what it went, in words
    model: str
    answer: Answer
    took_s: float = 0.0
    times: int = 1  # asked; a second time where a kept connection had just ended


@dataclass(frozen=True, kw_only=True, eq=False)
class LivePod:
    """A pod that exists, with its status."""

    pod: Pod

    @property
    def manifest(self) -> Manifest:
        return self.pod.workload

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def namespace(self) -> str:
        return self.manifest.namespace

    @property
    def labels(self) -> Mapping[str, Any]:
        return self.manifest.table("metadata", "labels")

    @property
    def leaving(self) -> bool:
        """Whether it is being deleted."""
        return self.manifest.get("metadata", "deletionTimestamp") is not None

    @property
    def ready(self) -> bool:
        conditions = self.manifest.rows("status", "conditions")
        return any(row.get("type") == "Ready" and row.get("status") == "True" for row in conditions)

    @cached_property
    def containers(self) -> tuple[Container, ...]:
        return tuple(self.pod.containers())

    def status(self, container: str) -> Mapping[str, Any]:
        """The status of one container; empty when there is none yet."""
        for kind in ("containerStatuses", "initContainerStatuses"):
            for row in self.manifest.rows("status", kind):
                if row.get("name") == container:
                    found: Mapping[str, Any] = row
                    return found
        return {}

    def state(self, container: str) -> str:
        """`running`, `waiting`, `terminated`, or nothing where it is not known."""
        return next(iter(self.status(container).get("state") or {}), "")


_OF_OBJECTS: Final = ("manifests", "_kinds", "pods", "templates", "world", "findings")
"""What a scene works out of `objects` and `unread` alone, once."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """What was read. `objects` are live objects of every namespace that matters, pods among them."""

    objects: tuple[Mapping[str, Any], ...]
    server: str = ""
    version: str = ""  # of Kubernetes
    now_s: float = 0.0  # since the epoch
    unread: tuple[Unread, ...] = ()
    logs: Mapping[LogKey, tuple[str, ...]] = field(default_factory=dict)
    answers: Mapping[AskedKey, tuple[Answer, ...]] = field(default_factory=dict)  # one or two looks
    names: Mapping[str, bool] = field(default_factory=dict)  # host name -> whether this machine resolves it
    tried: Mapping[str, Tried] = field(default_factory=dict)  # namespace/name of a pool -> its request

    def heard(
        self,
        *,
        logs: Mapping[LogKey, tuple[str, ...]] | None = None,
        answers: Mapping[AskedKey, tuple[Answer, ...]] | None = None,
        tried: Mapping[str, Tried] | None = None,
    ) -> Scene:
        """The same objects with what was said meanwhile. What follows from objects alone is not worked out again."""
        made = replace(
            self,
            logs=self.logs if logs is None else logs,
            answers=self.answers if answers is None else answers,
            tried=self.tried if tried is None else tried,
        )
        made.__dict__.update({name: self.__dict__[name] for name in _OF_OBJECTS if name in self.__dict__})
        return made

    @cached_property
    def manifests(self) -> tuple[Manifest, ...]:
        return tuple(Manifest(value=obj) for obj in self.objects)

    @cached_property
    def _kinds(self) -> Mapping[str, tuple[Manifest, ...]]:
        kinds: dict[str, list[Manifest]] = {}
        for manifest in self.manifests:
            kinds.setdefault(manifest.kind, []).append(manifest)
        return {kind: tuple(found) for kind, found in kinds.items()}

    def of(self, *kinds: str, namespace: str | None = None) -> Iterator[Manifest]:
        """Objects of these kinds, of all namespaces unless one is named."""
        for kind in kinds:
            yield from (found for found in self._kinds.get(kind, ()) if namespace in (None, found.namespace))

    def named(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """One object; what has no namespace is found under an empty one."""
        return next((found for found in self.of(kind, namespace=namespace) if found.name == name), None)

    def hidden(self, *kinds: str) -> Unread | None:
        """The first of these kinds that could not be read."""
        return next((entry for entry in self.unread if entry.kind in kinds), None)

    @cached_property
    def pods(self) -> tuple[LivePod, ...]:
        """Every pod that is neither over nor on its way out: one that drains for a minute says nothing of what is."""
        found = (LivePod(pod=pod) for pod in self.world.pods if pod.workload.kind == "Pod")
        return tuple(pod for pod in found if not pod.leaving and pod.manifest.text("status", "phase") != "Succeeded")

    def selected(self, selector: Mapping[str, Any], namespace: str) -> tuple[LivePod, ...]:
        """The pods whose labels hold all of `selector`; none for an empty one."""
        if not selector:
            return ()
        return tuple(
            pod
            for pod in self.pods
            if pod.namespace == namespace and all(pod.labels.get(key) == value for key, value in selector.items())
        )

    @cached_property
    def templates(self) -> tuple[Pod, ...]:
        """The pods that workloads describe, whether they are there or not."""
        return tuple(pod for pod in self.world.pods if pod.workload.kind not in _NO_TEMPLATES)

    @cached_property
    def world(self) -> World:
        """The linter's view of the same objects."""
        return World(self.manifests, complete=not self.unread)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What the linter says of them. Pods are left out: their workloads say the same."""
        judged = [entry for entry in self.manifests if entry.kind != "Pod"]
        return lint(judged, complete=not self.unread).findings

    def log(self, pod: LivePod, container: str) -> tuple[str, ...]:
        """The last words of a container that were read."""
        return self.logs.get(LogKey(pod.namespace, pod.name, container), ())

    def asked(self, pod: LivePod, port: int, path: str) -> tuple[Answer, ...]:
        """What a page of a pod answered, look after look; nothing when it was not asked."""
        return self.answers.get(AskedKey(pod.namespace, pod.name, port, path), ())
