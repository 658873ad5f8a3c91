"""What a release claims: read from its rendered objects, ours or not. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from llmdctl.kube import KubernetesObject
from llmdctl.lint.manifest import Manifest
from llmdctl.lint.metric_names import metrics_path
from llmdctl.lint.pods import WORKER_INDEX, Pod
from llmdctl.lint.recognition import Engine
from llmdctl.lint.world import Epp, World

_METRICS_PORT: Final = 9090  # --metrics-port of every version: EPP 0.7.1, 0.9.0 and 0.10.0


@dataclass(frozen=True, kw_only=True)
class Role:
    """Pods of one sort."""

    name: str
    engine: Engine
    labels: Mapping[str, Any]  # of its pods
    replicas: int | None  # None: an autoscaler says
    sidecar: bool
    ports: tuple[int, ...]  # where engines listen: one a data-parallel rank
    members: int = 1  # pods of a replica that serve: all of a group, or its leader alone

    @property
    def served(self) -> tuple[str, ...]:
        """Names that a request may ask for."""
        return self.engine.served_names

    @property
    def metrics_path(self) -> str:
        """Where the engine exposes its metrics."""
        return metrics_path(self.engine.name)

    def json_option(self, name: str) -> Mapping[str, Any]:
        """An option whose value is JSON, such as --kv-transfer-config; empty when it is not there.

        A part that is known only when the pod starts, such as `$(POD_IP)`, is left out of the text around it.
        """
        option = self.engine.line.find(name)
        value = option.written if option else ""
        try:
            read = json.loads(value) if value else {}
        except ValueError:
            return {}
        return read if isinstance(read, dict) else {}

    @property
    def connectors(self) -> tuple[str, ...]:
        """KV connectors of vLLM, those inside a MultiConnector too."""
        return tuple(_connectors(self.json_option("--kv-transfer-config")))


def _connectors(config: Mapping[str, Any]) -> Iterable[str]:
    if isinstance(config.get("kv_connector"), str):
        yield config["kv_connector"]
    extra = config.get("kv_connector_extra_config")
    for inner in (extra.get("connectors") or ()) if isinstance(extra, Mapping) else ():
        if isinstance(inner, Mapping):
            yield from _connectors(inner)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A release as rendered."""

    objects: Sequence[KubernetesObject]
    namespace: str
    recipe: str = ""
    facets: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def world(self) -> World:
        """Its objects, recognised."""
        return World([Manifest(value=obj) for obj in self.objects])

    @cached_property
    def roles(self) -> tuple[Role, ...]:
        """Every sort of pod that runs an engine and can be asked: of a group, the leaders or all."""
        ranks = self.endpoints_a_pod
        found = []
        for engine in self.world.engines:
            pod, port = engine.container.pod, engine.port
            if not pod.leader:
                continue
            labels = dict(pod.labels)
            name = str(labels.get("llm-d.ai/role") or labels.get("app.kubernetes.io/component") or pod.workload.name)
            sidecar = self.world.sidecar_in(pod) is not None
            ports = tuple(port + rank for rank in range(ranks)) if port is not None else ()
            found.append(
                Role(
                    name=name, engine=engine, labels=labels, replicas=pod.replicas, sidecar=sidecar, ports=ports,
                    members=pod.group_size if self._all_serve(pod) else 1,
                )
            )  # fmt: skip
        return tuple(found)

    def _all_serve(self, pod: Pod) -> bool:
        """Whether workers of a group are endpoints: made as leaders are, and taken by the pool's selector."""
        selector = ((self.pool or {}).get("spec") or {}).get("selector") or {}
        labels = selector.get("matchLabels") or {}
        return bool(labels) and pod.place[-1] != "leaderTemplate" and WORKER_INDEX not in labels

    @cached_property
    def epp(self) -> Epp | None:
        """The endpoint picker, when there is one."""
        return next(iter(self.world.epps), None)

    @property
    def epp_version(self) -> str:
        """`0.7`, `0.9`, `0.10`; empty when its image does not say."""
        version = self.epp.version if self.epp else ""
        return ".".join(version.split(".")[:2])

    @property
    def epp_config(self) -> Mapping[str, Any]:
        """The EndpointPickerConfig; empty when there is none."""
        config = self.epp.config if self.epp else None
        value = config.source.value if config is not None and not config.problem else {}
        return value if isinstance(value, Mapping) else {}

    @property
    def epp_metrics_port(self) -> int:
        """Where the endpoint picker exposes its metrics."""
        return (self.epp.line.integer("--metrics-port") if self.epp else None) or _METRICS_PORT

    @property
    def proxy_stats_port(self) -> int | None:
        """Where the proxy beside the endpoint picker gives statistics; None where there is none."""
        containers = self.epp.container.pod.containers() if self.epp else ()
        ports = [entry for container in containers for entry in container.ports]
        return next((port for name, port in ports if name == "proxy-health"), None)

    @cached_property
    def plugins(self) -> frozenset[str]:
        """Types of the endpoint picker's plugins."""
        rows = self.epp_config.get("plugins") or ()
        return frozenset(str(row.get("type")) for row in rows if isinstance(row, Mapping))

    @property
    def gates(self) -> frozenset[str]:
        """Feature gates of the endpoint picker that are on: `x` and `x=true`."""
        stated = [str(gate).partition("=") for gate in self.epp_config.get("featureGates") or ()]
        return frozenset(name for name, _, value in stated if value.lower() != "false")

    def of_kind(self, *kinds: str) -> tuple[KubernetesObject, ...]:
        """Objects of these kinds."""
        return tuple(obj for obj in self.objects if obj.get("kind") in kinds)

    @property
    def pool(self) -> KubernetesObject | None:
        """The InferencePool; the first one."""
        return next(iter(self.of_kind("InferencePool")), None)

    @property
    def target_ports(self) -> tuple[int, ...]:
        """Ports of the pool's endpoints."""
        rows = ((self.pool or {}).get("spec") or {}).get("targetPorts") or ()
        return tuple(int(row["number"]) for row in rows if isinstance(row, Mapping) and "number" in row)

    @property
    def endpoints_a_pod(self) -> int:
        """How many endpoints a pod of the pool is: one for each target port."""
        return len(self.target_ports) or 1

    @property
    def disaggregated(self) -> bool:
        """Whether prefill and decode are separate roles."""
        return {"prefill", "decode"} <= {role.name for role in self.roles}

    @property
    def served(self) -> tuple[str, ...]:
        """Names that clients may ask for."""
        return tuple(dict.fromkeys(name for role in self.roles for name in role.served))

    @property
    def decider_threshold(self) -> int | None:
        """Prompts with at most so many tokens that are not cached are not split; None where nothing is stated."""
        for row in self.epp_config.get("plugins") or ():
            parameters = row.get("parameters") if isinstance(row, Mapping) else None
            if isinstance(parameters, Mapping) and "decider" in str(row.get("type")):
                value = parameters.get("nonCachedTokens", parameters.get("threshold"))
                if isinstance(value, (int, float)):
                    return int(value)
        return None
