"""One pool, and everything that a request meets on its way to it, found by what refers to what and never by labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from llmdctl.lint import Manifest, World
from llmdctl.lint.command import CommandLine
from llmdctl.lint.manifest import look, rows
from llmdctl.lint.pods import Container, Pod
from llmdctl.lint.recognition import Engine, Sidecar, engine_of, epp_line, is_envoy, sidecar_of
from llmdctl.lint.world import Epp
from llmdctl.model.finding import Finding, Severity
from llmdctl.release.doctor.scene import LivePod, Scene

POOL_GROUPS: Final = ("inference.networking.k8s.io", "inference.networking.x-k8s.io")
GRPC_PORT: Final = 9002
"""Where an endpoint picker listens by default: `--grpc-port`, https://github.com/llm-d/llm-d-router pkg/epp/server."""
ROLE: Final = "llm-d.ai/role"


@dataclass(frozen=True, kw_only=True, slots=True)
class Backend:
    """A place in a route that leads, or ought to lead, to the pool."""

    route: Manifest
    rule: int
    reference: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.reference.get("name") or "")

    @property
    def namespace(self) -> str:
        return str(self.reference.get("namespace") or self.route.namespace)

    @property
    def group(self) -> str:
        return str(self.reference.get("group") or "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Proxy:
    """An Envoy that asks the picker itself: standalone mode. `service` is None when none leads to it."""

    container: Container
    pods: tuple[LivePod, ...]
    service: Manifest | None
    port: Mapping[str, Any] = field(default_factory=dict)  # of the Service


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One chain. `pool` is None where a route names one that is not there."""

    scene: Scene
    namespace: str
    name: str
    pool: Manifest | None
    backends: tuple[Backend, ...] = ()
    model: str = ""  # that is to be asked for; empty: whatever is served

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def identity(self) -> str:
        """As hops name the pool."""
        return f"InferencePool/{self.key}"

    # The pool.

    @property
    def selector(self) -> Mapping[str, Any]:
        """Of v1 (`matchLabels`) or of v1alpha2 (labels at once)."""
        if self.pool is None:
            return {}
        found = self.pool.table("spec", "selector")
        inner = found.get("matchLabels")
        return inner if isinstance(inner, Mapping) else found

    @property
    def target_ports(self) -> tuple[int, ...]:
        if self.pool is None:
            return ()
        numbers = [look(row, "number") for row in self.pool.rows("spec", "targetPorts")]
        numbers = numbers or [self.pool.get("spec", "targetPortNumber")]
        return tuple(number for number in numbers if isinstance(number, int))

    @property
    def picker(self) -> Mapping[str, Any]:
        """`endpointPickerRef` of v1, `extensionRef` of v1alpha2."""
        if self.pool is None:
            return {}
        return self.pool.table("spec", "endpointPickerRef") or self.pool.table("spec", "extensionRef")

    @property
    def picker_name(self) -> str:
        return str(self.picker.get("name") or "")

    @property
    def picker_port(self) -> int:
        stated = look(self.picker, "port", "number") or self.picker.get("portNumber")
        return stated if isinstance(stated, int) else GRPC_PORT

    @property
    def fails_open(self) -> bool:
        return str(self.picker.get("failureMode") or "") == "FailOpen"

    @cached_property
    def pods(self) -> tuple[LivePod, ...]:
        """The pods that the pool selects."""
        return self.scene.selected(self.selector, self.namespace)

    @cached_property
    def templates(self) -> tuple[Pod, ...]:
        """The pods that workloads describe and the pool would select."""
        wanted = self.selector
        return tuple(
            pod
            for pod in self.scene.templates
            if wanted
            and pod.workload.namespace == self.namespace
            and all(pod.labels.get(key) == value for key, value in wanted.items())
        )

    @cached_property
    def served(self) -> tuple[LivePod, ...]:
        """The pods of the pool with an engine that takes requests: not the workers of a group, not a picker."""
        return tuple(pod for pod in self.pods if engine_in(pod) is not None)

    # The picker.

    @cached_property
    def service(self) -> Manifest | None:
        return self.scene.named("Service", self.namespace, self.picker_name) if self.picker_name else None

    @cached_property
    def epp_pods(self) -> tuple[LivePod, ...]:
        """Pods that run the picker: behind the Service, else those that name this pool."""
        behind = self.scene.selected(self.service.table("spec", "selector"), self.namespace) if self.service else ()
        found = tuple(pod for pod in behind if epp_in(pod) is not None)
        return found or tuple(pod for pod in self.scene.pods if self._names_it(pod))

    def _names_it(self, pod: LivePod) -> bool:
        found = epp_in(pod)
        return found is not None and found[1].value("--pool-name") == self.name and pod.namespace == self.namespace

    @cached_property
    def epps(self) -> tuple[Epp, ...]:
        """The picker as workloads describe it, with its configuration."""
        names = {owner for pod in self.epp_pods for owner in owners(pod)}
        found = [epp for epp in self.world.epps if epp.container.pod.workload.kind != "Pod"]
        chosen = [
            epp
            for epp in found
            if epp.namespace == self.namespace
            and (
                epp.container.pod.workload.name in names
                or epp.line.value("--pool-name") == self.name
                or self._behind_service(epp)
            )
        ]
        return tuple(chosen)

    def _behind_service(self, epp: Epp) -> bool:
        selector = self.service.table("spec", "selector") if self.service else {}
        return bool(selector) and all(epp.container.pod.labels.get(key) == value for key, value in selector.items())

    @property
    def epp_version(self) -> str:
        """`0.9.0`, from the image's tag; empty when it does not say."""
        return next((epp.version for epp in self.epps if epp.version), "")

    # The entrance.

    @cached_property
    def proxy(self) -> Proxy | None:
        """The Envoy of a standalone deployment: beside the picker, or in pods of its own that ask it."""
        chosen = [(pod, found) for pod in self.epp_pods for found in pod.containers if is_envoy(found)]
        if not chosen:
            chosen = [(pod, found) for pod, found in self._envoys() if self._asks_picker(found)]
        if not chosen:
            return None
        pods, container = tuple(pod for pod, _ in chosen), chosen[0][1]
        ports = {number for _, number in container.ports} | {name for name, _ in container.ports if name}
        for service in self.scene.of("Service", namespace=self.namespace):
            labels, wanted = pods[0].labels, service.table("spec", "selector")
            if not wanted or any(labels.get(key) != value for key, value in wanted.items()):
                continue
            for row in service.rows("spec", "ports"):
                target = row.get("targetPort", row.get("port"))
                if target in ports or self._is_entrance(row, chosen[0][0]):
                    return Proxy(container=container, pods=pods, service=service, port=row)
        return Proxy(container=container, pods=pods, service=None)

    @property
    def standalone(self) -> bool:
        """Whether an Envoy is meant to stand beside the picker, also while no pod of it is there."""
        return any(is_envoy(found) for epp in self.epps for found in epp.container.pod.containers())

    @staticmethod
    def _is_entrance(row: Mapping[str, Any], pod: LivePod) -> bool:
        """A port called http that no other container of the pod has: it was meant for the proxy."""
        others = {name for found in pod.containers for name, _ in found.ports if not is_envoy(found)}
        others_numbers = {number for found in pod.containers for _, number in found.ports if not is_envoy(found)}
        target = row.get("targetPort", row.get("port"))
        return row.get("name") == "http" and target not in others and target not in others_numbers

    def _envoys(self) -> Iterator[tuple[LivePod, Container]]:
        for pod in self.scene.pods:
            if pod.namespace == self.namespace:
                yield from ((pod, found) for found in pod.containers if is_envoy(found))

    def _asks_picker(self, container: Container) -> bool:
        return any(self.picker_name and self.picker_name in text for text in self.mounted_texts(container).values())

    def mounted_texts(self, container: Container) -> Mapping[str, str]:
        """The configuration files that `-c` names and a ConfigMap holds: the text under the ConfigMap's name."""
        files = [file for line in container.commands if (file := line.value("-c", "--config-path"))]
        found = [self.world.mounted(container, file) for file in files]
        return {entry[0].name: entry[0].text("data", entry[1]) for entry in found if not isinstance(entry, str)}

    @cached_property
    def parents(self) -> tuple[Mapping[str, Any], ...]:
        """The parents of the routes that lead here, each once."""
        found: dict[tuple[str, str, str], Mapping[str, Any]] = {}
        for backend in self.backends:
            for parent in backend.route.rows("spec", "parentRefs"):
                namespace = str(parent.get("namespace") or backend.route.namespace)
                key = (namespace, str(parent.get("name")), str(parent.get("sectionName") or parent.get("port") or ""))
                found.setdefault(key, {**parent, "namespace": namespace})
        return tuple(found.values())

    @cached_property
    def gateways(self) -> tuple[Manifest, ...]:
        """The Gateways among them that are there."""
        named = [self.scene.named("Gateway", str(p["namespace"]), str(p.get("name"))) for p in self.parents]
        return tuple({gateway.identity: gateway for gateway in named if gateway is not None}.values())

    # The linter's view of the same objects.

    @property
    def world(self) -> World:
        return self.scene.world

    def findings(self, *codes: str, objects: tuple[str, ...] = ()) -> tuple[Finding, ...]:
        """What the linter says under these codes about these objects, or about any in the pool's namespace."""
        return tuple(
            entry
            for entry in self.scene.findings
            if entry.code in codes
            and entry.severity in (Severity.ERROR, Severity.WARNING)
            and (entry.object in objects if objects else f"/{self.namespace}/" in entry.object)
        )


def engine_in(pod: LivePod) -> Engine | None:
    """The engine of a pod."""
    return next((found for container in pod.containers if (found := engine_of(container))), None)


def sidecar_in(pod: LivePod) -> Sidecar | None:
    """The routing sidecar of a pod."""
    return next((found for container in pod.containers if (found := sidecar_of(container))), None)


def epp_in(pod: LivePod) -> tuple[Container, CommandLine] | None:
    """The picker of a pod with what it is started with."""
    for container in pod.containers:
        line = epp_line(container)
        if line is not None:
            return container, line
    return None


def owners(pod: LivePod) -> Iterator[str]:
    """Names that the pod's workload may have: its controller's, and that without the hash of a ReplicaSet."""
    for row in rows(pod.manifest.value, "metadata", "ownerReferences"):
        name = str(row.get("name") or "")
        yield name
        if row.get("kind") == "ReplicaSet":
            yield name.rpartition("-")[0]
