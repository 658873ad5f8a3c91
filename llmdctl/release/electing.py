"""Deployments that elect one of their replicas: it serves, and the others wait, running and never ready. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

_FLAG: Final = "--ha-enable-leader-election"
_OFF: Final = frozenset({"false", "f", "0"})  # as Go reads a bool
LEASE_S: Final = 15.0
"""How long a leader that died keeps its lease: `LeaseDuration`, which the endpoint picker leaves as it is
(https://pkg.go.dev/sigs.k8s.io/controller-runtime/pkg/manager#Options)."""
TAKEOVER_S: Final = 20.0
"""From the end of a leader to the readiness of the next: `LEASE_S`, one look at the lease (`RetryPeriod`, 2 s and a
jitter of a fifth), and the readiness probe (2 s in our chart)."""


def elects(deployment: Mapping[str, Any]) -> bool:
    """Whether the endpoint picker of a Deployment is told to elect: replicas that wait are never ready, by design.

    The readiness that `--ha-enable-leader-election` serves is that of the leader alone
    (https://github.com/kubernetes-sigs/gateway-api-inference-extension/blob/v1.4.0/cmd/epp/runner/health.go).
    """
    pod = ((deployment.get("spec") or {}).get("template") or {}).get("spec") or {}
    return any(map(_elects, pod.get("containers") or ()))


def awaiting_election(pod: Mapping[str, Any]) -> tuple[str, ...]:
    """The containers of a pod that run, are not ready, and are told to elect: not elected, or on their way to it."""
    told = {str(row.get("name")) for row in (pod.get("spec") or {}).get("containers") or () if _elects(row)}
    rows = (pod.get("status") or {}).get("containerStatuses") or ()
    return tuple(
        str(row["name"])
        for row in rows
        if row.get("name") in told and not row.get("ready") and "running" in (row.get("state") or {})
    )


def _elects(container: Mapping[str, Any]) -> bool:
    return any(
        word == _FLAG or (word.startswith(f"{_FLAG}=") and word.partition("=")[2].lower() not in _OFF)
        for word in _words(container)
    )


def _words(container: Mapping[str, Any]) -> Iterator[str]:
    """Of its command line, those inside a script too."""
    for text in (*(container.get("command") or ()), *(container.get("args") or ())):
        yield from str(text).split()
