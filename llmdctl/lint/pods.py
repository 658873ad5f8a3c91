"""Pods as workloads describe them, and their containers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from llmdctl.lint.command import CommandLine, Word, started
from llmdctl.lint.manifest import Manifest, Place, look, rows
from llmdctl.lint.rule import Code
from llmdctl.model.finding import Finding, Severity

_TEMPLATES: Mapping[str, tuple[Place, ...]] = {
    "Pod": ((),),
    "Deployment": (("spec", "template"),),
    "StatefulSet": (("spec", "template"),),
    "DaemonSet": (("spec", "template"),),
    "ReplicaSet": (("spec", "template"),),
    "Job": (("spec", "template"),),
    "CronJob": (("spec", "jobTemplate", "spec", "template"),),
    "LeaderWorkerSet": (
        ("spec", "leaderWorkerTemplate", "leaderTemplate"),
        ("spec", "leaderWorkerTemplate", "workerTemplate"),
    ),
}
"""Where each kind of workload holds its pod templates."""

RUN_ONCE = ("Job", "CronJob")
WORKER_INDEX = "leaderworkerset.sigs.k8s.io/worker-index"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pod:
    """A pod, or a template of pods. `place` is where it stands in the workload."""

    workload: Manifest
    place: Place
    group_size: int = 1  # pods of one replica: an LWS's `size`
    leader: bool = True  # False for the workers of an LWS that has a template of its own for leaders
    replicas_place: Place | None = None

    @property
    def namespace(self) -> str:
        return self.workload.namespace

    @property
    def labels(self) -> Mapping[str, Any]:
        """Those of the template; the controller of groups labels every pod with its index, a leader with "0"."""
        stated = self.workload.table(*self.place, "metadata", "labels")
        grouped = self.workload.kind in ("LeaderWorkerSet", "DisaggregatedSet")
        return {**stated, WORKER_INDEX: "0"} if grouped and self.leader else stated

    @property
    def annotations(self) -> Mapping[str, Any]:
        return self.workload.table(*self.place, "metadata", "annotations")

    @property
    def spec(self) -> Mapping[str, Any]:
        return self.workload.table(*self.place, "spec")

    @property
    def spec_place(self) -> Place:
        return (*self.place, "spec")

    @property
    def replicas(self) -> int | None:
        """As written; None where the workload leaves it to somebody else."""
        found = self.workload.get(*self.replicas_place) if self.replicas_place else None
        return found if isinstance(found, int) else None

    def containers(self) -> Iterator[Container]:
        """Init containers first, sidecars among them."""
        for key in ("initContainers", "containers"):
            for index, value in enumerate(rows(self.spec, key)):
                if isinstance(value, Mapping):
                    yield Container(
                        pod=self, place=(*self.spec_place, key, index), value=value, init=key != "containers"
                    )

    def finding(self, code: Code, path: Place, message: str, remedy: str = "") -> Finding:
        """A finding about something inside the pod's spec."""
        return self.workload.finding(code, (*self.spec_place, *path), message, remedy)


@dataclass(frozen=True, kw_only=True, eq=False)
class Container:
    """One container of a pod. `place` is where it stands in the workload."""

    pod: Pod
    place: Place
    value: Mapping[str, Any]
    init: bool

    @property
    def name(self) -> str:
        found = self.value.get("name")
        return found if isinstance(found, str) else ""

    @property
    def image(self) -> str:
        found = self.value.get("image")
        return found if isinstance(found, str) else ""

    @property
    def sidecar(self) -> bool:
        """An init container that keeps running."""
        return self.init and self.value.get("restartPolicy") == "Always"

    @cached_property
    def env(self) -> Mapping[str, str | None]:
        """Variables by name; None where the value comes from elsewhere. References to earlier ones are filled in."""
        known: dict[str, str | None] = {}
        for entry in rows(self.value, "env"):
            name, value = look(entry, "name"), look(entry, "value")
            if isinstance(name, str):
                known[name] = _filled(value, known) if isinstance(value, str) else None
                if value is None and look(entry, "valueFrom") is None:
                    known[name] = ""
        return known

    @property
    def ports(self) -> list[tuple[str, int]]:
        """(name, number) of every declared port."""
        numbers = [(look(row, "name"), look(row, "containerPort")) for row in rows(self.value, "ports")]
        return [(name if isinstance(name, str) else "", number) for name, number in numbers if isinstance(number, int)]

    def mount(self, file: str) -> tuple[str | None, str]:
        """The volume that holds `file`, None where none does, and the path of `file` inside the volume."""
        best: tuple[str | None, str] = (None, "")
        length = -1
        for row in rows(self.value, "volumeMounts"):
            path, name = look(row, "mountPath"), look(row, "name")
            if not isinstance(path, str) or not isinstance(name, str) or len(path) <= length:
                continue
            folder = path.rstrip("/")
            if file == path and isinstance(look(row, "subPath"), str):
                best, length = (name, look(row, "subPath")), len(path)
            elif file.startswith(folder + "/"):
                best, length = (name, file[len(folder) + 1 :]), len(path)
        return best

    @cached_property
    def commands(self) -> list[CommandLine]:
        """What it starts: one command line, or every command of its shell script."""
        return started(self.value, self.env)

    def finding(
        self,
        code: Code,
        path: Place,
        message: str,
        remedy: str = "",
        *,
        severity: Severity | None = None,
        word: Word | None = None,
    ) -> Finding:
        """A finding about something inside the container; with `word`, in the line of a script where it stands."""
        found = self.pod.workload.finding(
            code, (*self.place, *(word.place if word else path)), message, remedy, severity=severity
        )
        if word is None or not word.line or found.line is None:
            return found
        return Finding(
            **{name: getattr(found, name) for name in found.__slots__} | {"line": found.line + word.line + 1}
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An image reference in its parts."""

    repository: str  # with registry
    tag: str
    digest: str

    @property
    def base(self) -> str:
        """The last part of the repository: `vllm-openai`."""
        return self.repository.rpartition("/")[2]

    @property
    def version(self) -> tuple[int, ...]:
        """(0, 23, 0) of `v0.23.0-something`; empty when the tag is no version."""
        found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", self.tag)
        return tuple(int(part or 0) for part in found.groups()) if found else ()


def image(reference: str) -> Image:
    """`registry/repository:tag@digest` in its parts."""
    rest, _, digest = reference.partition("@")
    head, _, last = rest.rpartition("/")
    name, _, tag = last.partition(":")
    return Image(repository=f"{head}/{name}" if head else name, tag=tag, digest=digest)


def pods_of(manifest: Manifest) -> Iterator[Pod]:
    """The pods that a workload describes; none for anything else."""
    if manifest.kind == "DisaggregatedSet":
        yield from _disaggregated(manifest)
        return
    templates = _TEMPLATES.get(manifest.kind, ())
    if manifest.kind == "LeaderWorkerSet":
        yield from _lws(manifest, ("spec",))
        return
    for place in templates:
        if manifest.table(*place, "spec"):
            replicas = ("spec", "replicas") if manifest.kind in ("Deployment", "StatefulSet", "ReplicaSet") else None
            yield Pod(workload=manifest, place=place, replicas_place=replicas)


def _lws(manifest: Manifest, base: Place) -> Iterator[Pod]:
    """The templates of a LeaderWorkerSet whose spec stands at `base`."""
    size = manifest.get(*base, "leaderWorkerTemplate", "size")
    leaders = bool(manifest.table(*base, "leaderWorkerTemplate", "leaderTemplate"))
    for key in ("leaderTemplate", "workerTemplate"):
        place: Place = (*base, "leaderWorkerTemplate", key)
        if manifest.table(*place, "spec"):
            yield Pod(
                workload=manifest,
                place=place,
                group_size=size if isinstance(size, int) else 1,
                leader=key == "leaderTemplate" or not leaders,
                replicas_place=(*base, "replicas"),
            )


def _disaggregated(manifest: Manifest) -> Iterator[Pod]:
    """Roles of a DisaggregatedSet hold the spec of an LWS each, or a template of one."""
    for index, role in enumerate(manifest.rows("spec", "roles")):
        base: Place = ("spec", "roles", index)
        if look(role, "spec"):
            yield from _lws(manifest, (*base, "spec"))
        elif look(role, "template", "spec"):
            yield from _lws(manifest, (*base, "template", "spec"))
        else:
            yield from _lws(manifest, base)


def _filled(text: str, known: Mapping[str, str | None]) -> str | None:
    names = re.findall(r"(?<!\$)\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)", text)
    for name in names:
        value = known.get(name)
        if value is None:
            return None
        text = text.replace(f"$({name})", value)
    return text
