"""Limits of time that a long streamed answer meets on its way, from the configuration of every hop. Pure.

Sources: https://www.envoyproxy.io/docs/envoy/latest/faq/configuration/timeouts (a route without `timeout` has 15 s; the
stream idle timeout is 5 minutes unless set), https://gateway-api.sigs.k8s.io/api-types/httproute/#timeouts (0s: none),
https://cloud.google.com/kubernetes-engine/docs/how-to/configure-gateway-resources#configure_timeout (30 s unless set).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from llmdctl.kube import KubernetesObject, key_of

ENVOY_ROUTE_S: Final = 15.0
ENVOY_IDLE_S: Final = 300.0
GKE_BACKEND_S: Final = 30.0
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_HCM: Final = "envoy.filters.network.http_connection_manager"
_POLICY: Final = "GCPBackendPolicy"


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """One limit. `seconds` 0: none."""

    where: str
    field: str
    seconds: float
    assumed: bool = False  # nothing is written, so the program's own

    def cuts(self, seconds: float) -> bool:
        """Whether it ends what takes so long."""
        return 0 < self.seconds <= seconds


def seconds_of(text: object) -> float | None:
    """`3600s`, `1m30s`, `0s`, `500ms`; None for anything else."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return float(text)
    parts = _PART.findall(str(text))
    if not parts or "".join(number + unit for number, unit in parts) != str(text):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def limits(objects: Sequence[KubernetesObject], *, gateway_class: str = "") -> tuple[Limit, ...]:
    """Every limit in these objects: Envoy's own configuration, routes, Google's backend policies."""
    found = [limit for obj in objects for limit in _of_object(obj)]
    if gateway_class.startswith("gke-") and not any(obj.get("kind") == _POLICY for obj in objects):
        found.append(
            Limit(where=f"GatewayClass/{gateway_class}", field="timeoutSec", seconds=GKE_BACKEND_S, assumed=True)
        )
    return tuple(found)


def _of_object(obj: KubernetesObject) -> Iterator[Limit]:
    kind, where = obj.get("kind"), f"{key_of(obj).kind}/{key_of(obj).name}"
    spec = obj.get("spec") or {}
    if kind == "ConfigMap":
        for name, text in (obj.get("data") or {}).items():
            if _HCM in str(text):
                yield from _of_envoy(str(text), f"{where} {name}")
    elif kind == "HTTPRoute":
        for number, rule in enumerate(spec.get("rules") or ()):
            for field, value in ((rule or {}).get("timeouts") or {}).items():
                seconds = seconds_of(value)
                if seconds is not None:
                    yield Limit(where=where, field=f"rules[{number}].timeouts.{field}", seconds=seconds)
    elif kind == _POLICY:
        seconds = seconds_of((spec.get("default") or {}).get("timeoutSec"))
        yield Limit(where=where, field="timeoutSec", seconds=seconds or GKE_BACKEND_S, assumed=seconds is None)


def _of_envoy(text: str, where: str) -> Iterator[Limit]:
    try:
        read = yaml.safe_load(text)
    except yaml.YAMLError:
        return
    for path, node in _walk(read, ""):
        if node.get("name") == _HCM and isinstance(node.get("typed_config"), Mapping):
            yield from _of_listener(node["typed_config"], where, path)


def _of_listener(manager: Mapping[str, Any], where: str, path: str) -> Iterator[Limit]:
    """Only of listeners that lead to an endpoint picker: health and statistics stream nothing."""
    filters = [row.get("name") for row in manager.get("http_filters") or () if isinstance(row, Mapping)]
    if "envoy.filters.http.ext_proc" not in filters:
        return
    idle_s = seconds_of(manager.get("stream_idle_timeout"))
    yield Limit(
        where=where, field="stream_idle_timeout", seconds=ENVOY_IDLE_S if idle_s is None else idle_s,
        assumed=idle_s is None,
    )  # fmt: skip
    seconds = seconds_of((manager.get("common_http_protocol_options") or {}).get("max_stream_duration"))
    if seconds is not None:
        yield Limit(where=where, field="max_stream_duration", seconds=seconds)
    for _, node in _walk(manager, path):
        route = node.get("route")
        if isinstance(route, Mapping) and "cluster" in route:
            seconds = seconds_of(route.get("timeout"))
            yield Limit(
                where=where, field=f"route to {route['cluster']}: timeout", assumed=seconds is None,
                seconds=ENVOY_ROUTE_S if seconds is None else seconds,
            )  # fmt: skip


def _walk(value: object, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, Mapping):
        yield path, value
        for key, inner in value.items():
            yield from _walk(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _walk(inner, f"{path}[{index}]")
