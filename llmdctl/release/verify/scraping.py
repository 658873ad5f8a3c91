"""Reading /metrics and /v1/models of engines, and /metrics of endpoint pickers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from llmdctl.errors import ClusterError
from llmdctl.kube import Cluster
from llmdctl.prometheus import Exposition, parse
from llmdctl.release.metrics_token import metrics_token
from llmdctl.release.reading import at_once
from llmdctl.release.verify.entrance import Entrance
from llmdctl.release.verify.names import EPP, QUEUED, UPSTREAM
from llmdctl.release.verify.observed import EnginePod, EppPod, Scrape
from llmdctl.release.verify.stack import Role, Stack

_TIMEOUT_S: Final = 10.0
_BUCKET: Final = "_bucket{"
_BUCKETS: Final = tuple(name.removesuffix("_count") + _BUCKET for table in EPP.values() for name in table[QUEUED])
"""The only buckets that a proof reads; those of other histograms are half of all lines."""


def _counts(line: str) -> bool:
    """Whether a line of an engine or a picker is worth reading."""
    return _BUCKET not in line or line.startswith(_BUCKETS)


class Scraper:
    """Reads of one release. A token for the endpoint picker's metrics is asked for at most once."""

    def __init__(self, cluster: Cluster, stack: Stack) -> None:
        self._cluster = cluster
        self._stack = stack
        self._roles: Mapping[str, Role] = {role.name: role for role in stack.roles}
        self._token: tuple[str, str] | None = None

    def engines(self, pods: Iterable[EnginePod]) -> dict[str, Scrape]:
        """Pod -> what its engine exposes, all data-parallel ranks together; or why that cannot be read."""
        asked = list(pods)
        return dict(zip([pod.name for pod in asked], at_once(self._engine, asked), strict=True))

    def models(self, pods: Iterable[EnginePod]) -> dict[str, Mapping[str, Any] | str]:
        """Pod -> /v1/models as the engine itself answers it; or why not."""
        asked = list(pods)
        return dict(zip([pod.name for pod in asked], at_once(self._models, asked), strict=True))

    def epps(self, pods: Iterable[EppPod]) -> dict[str, Scrape]:
        """Pod -> what an endpoint picker exposes; or why that cannot be read."""
        return {pod.name: self._epp(pod) for pod in pods}

    def proxy(self, entrance: Entrance) -> Scrape:
        """What the proxy of a standalone release says of itself; or why that cannot be read."""
        port = self._stack.proxy_stats_port
        if port is None:
            return "no port of a proxy beside the endpoint picker gives them"
        try:
            reply = self._cluster.pods.request(
                entrance.namespace, entrance.pod, port, "GET", "/stats/prometheus", timeout_s=_TIMEOUT_S
            )
        except ClusterError as error:
            return error.message
        if not reply.good:
            return f"HTTP {reply.status}"
        return parse(reply.text, wanted=lambda line: line.startswith(UPSTREAM))

    def _engine(self, pod: EnginePod) -> Scrape:
        role, texts = self._roles[pod.role], []
        if not role.ports:
            return "the port of its engine is not known from its command line"
        for port in role.ports:
            try:
                reply = self._cluster.pods.request(
                    pod.namespace, pod.name, port, "GET", role.metrics_path, timeout_s=_TIMEOUT_S
                )
            except ClusterError as error:
                return error.message
            if not reply.good:
                return f"HTTP {reply.status} on port {port}"
            texts.append(reply.text)
        read = [parse(text, wanted=_counts) for text in texts]
        return Exposition(
            samples=tuple(sample for each in read for sample in each.samples),
            types={name: kind for each in read for name, kind in each.types.items()},
            bad_lines=tuple(line for each in read for line in each.bad_lines),
        )

    def _models(self, pod: EnginePod) -> Mapping[str, Any] | str:
        role = self._roles[pod.role]
        if not role.ports:
            return "the port of its engine is not known from its command line"
        try:
            reply = self._cluster.pods.request(
                pod.namespace, pod.name, role.ports[0], "GET", "/v1/models", timeout_s=_TIMEOUT_S
            )
        except ClusterError as error:
            return error.message
        return reply.document() or f"HTTP {reply.status}, and no JSON"

    def _epp(self, pod: EppPod) -> Scrape:
        try:
            status, text = self._ask(pod, {})
            if status in (401, 403):
                token, reason = self._token = self._token or metrics_token(self._cluster, pod.namespace)
                if not token:
                    return reason
                status, text = self._ask(pod, {"authorization": f"Bearer {token}"})
        except ClusterError as error:
            return error.message
        return parse(text, wanted=_counts) if 200 <= status < 300 else f"HTTP {status}"

    def _ask(self, pod: EppPod, headers: Mapping[str, str]) -> tuple[int, str]:
        reply = self._cluster.pods.request(
            pod.namespace, pod.name, self._stack.epp_metrics_port, "GET", "/metrics", headers=headers,
            timeout_s=_TIMEOUT_S,
        )  # fmt: skip
        return reply.status, reply.text
