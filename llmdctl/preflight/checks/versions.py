"""Is this Kubernetes new enough, and are its nodes near enough to it?"""

from __future__ import annotations

import re
from typing import Final

from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.verdict import UnknowableError, Verdict, failed, passed, warned

_OLDEST: Final = (1, 29)  # native sidecars are on from here: the routing sidecar is one
_TESTED: Final = (1, 33)  # sidecars are stable, and no pod hangs in Init:0/1


def minor(text: str) -> tuple[int, int] | None:
    """`v1.34.2-gke.100` -> (1, 34)."""
    found = re.match(r"v?(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def server_minor(case: Case) -> tuple[int, int]:
    """The server's minor version. Raises UnknowableError when it does not say."""
    for item in case.section("version"):
        found = minor(str(item.get("gitVersion", "")))
        if found:
            return found
    raise UnknowableError("version: the server did not state one")


def _server(case: Case) -> Verdict:
    have = server_minor(case)
    said = ".".join(map(str, have))
    if have < _OLDEST:
        return failed(f"Kubernetes {said} is too old: sidecars need 1.29.", (), "Upgrade the cluster.")
    if have < _TESTED:
        return warned(
            f"Kubernetes {said}: before 1.33 a pod with a sidecar may hang in Init:0/1.", (), "Upgrade when you can."
        )
    return passed(f"Kubernetes {said}.")


CHECKS: Final = (
    Check(
        code="LD0301",
        slug="server-version",
        title="Kubernetes is new enough",
        severity=Severity.ERROR,
        rule=_server,
        needs=("version",),
        why="The routing sidecar of disaggregated recipes is a native sidecar: an init container that keeps running, on"
        " by default since 1.29 and stable since 1.33.",
        remedy="Upgrade the control plane and the nodes.",
        sources=("https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/",),
    ),
)
