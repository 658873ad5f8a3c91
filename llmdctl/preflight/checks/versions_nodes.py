"""Are the nodes near enough to the server, and can their container runtimes hand out claimed devices?"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.versions import Minor, minor, server_minor, spoken
from llmdctl.preflight.node import Node
from llmdctl.preflight.verdict import UnknowableError, Verdict, failed, passed, skipped, unknown, warned

_SKEW: Final = 3  # minor versions that a kubelet may be older than the server
_CDI: Final = {"containerd": (2, 0), "cri-o": (1, 23)}  # where CDI is on without being asked for
_CLAIMS: Final = frozenset({"ResourceClaim", "ResourceClaimTemplate"})


def _skew(case: Case) -> Verdict:
    server = server_minor(case)
    stated = {node.identity: minor(node.info.get("kubeletVersion", "")) for node in case.nodes}
    known = {name: version for name, version in stated.items() if version is not None}
    far = {name: version for name, version in known.items() if _is_far(version, server)}
    if far:
        return failed(
            f"{len(far)} of {len(stated)} kubelets are newer than the server ({spoken(server)}) or more than {_SKEW}"
            " minor versions older.",
            [Evidence(object=name, observed=spoken(version), expected=_range(server)) for name, version in far.items()],
            "Upgrade the control plane first, then drain and upgrade these nodes.",
        )
    if not known:
        raise UnknowableError("nodes: none states the version of its kubelet")
    if len(known) < len(stated):
        return unknown(f"{len(stated) - len(known)} of {len(stated)} nodes do not state the version of their kubelet.")
    several = Counter(known.values())
    if len(several) > 1:
        listed = ", ".join(f"{number} at {spoken(version)}" for version, number in sorted(several.items()))
        return warned(
            f"Kubelets are of {len(several)} minor versions: {listed}. Where a pod lands decides what it may use.",
            (),
            "Bring the node pools to one version.",
        )
    return passed(f"All {len(stated)} kubelets are at {spoken(next(iter(several)))}, the server at {spoken(server)}.")


def _is_far(kubelet: Minor, server: Minor) -> bool:
    return kubelet > server or kubelet[0] != server[0] or server[1] - kubelet[1] > _SKEW


def _range(server: Minor) -> str:
    return f"{server[0]}.{max(0, server[1] - _SKEW)} to {spoken(server)}"


def _runtime(case: Case) -> Verdict:
    claims = any(obj.get("kind") in _CLAIMS for obj in case.objects)
    if not claims and not any(template.spec.get("resourceClaims") for template in case.workloads):
        return skipped("no device is claimed; device plugins need no CDI of the runtime")
    stated = {node.identity: _parsed(node) for node in case.nodes}
    known = {name: found for name, found in stated.items() if found is not None}
    old = {name: (runtime, have) for name, (runtime, have) in known.items() if have < _CDI[runtime]}
    if old:
        return failed(
            f"{len(old)} of {len(stated)} nodes have a container runtime in which CDI is off unless it was turned on:"
            " claimed devices then never reach the container.",
            [
                Evidence(
                    object=name, observed=f"{runtime} {spoken(have)}", expected=f"{runtime} {spoken(_CDI[runtime])}"
                )
                for name, (runtime, have) in old.items()
            ],
            "Upgrade the runtime, or set enable_cdi = true in containerd 1.7's CRI plugin.",
        )
    if not known or len(known) < len(stated):
        return unknown(f"{len(stated) - len(known)} of {len(stated)} nodes have a container runtime that is not known.")
    return passed(f"CDI is on in the container runtimes of all {len(stated)} nodes.")


def _parsed(node: Node) -> tuple[str, Minor] | None:
    """`containerd://2.1.4-k3s1` -> (containerd, (2, 1))."""
    found = re.match(r"([a-z-]+)://v?(\d+)\.(\d+)", node.info.get("containerRuntimeVersion", ""))
    return (found[1], (int(found[2]), int(found[3]))) if found and found[1] in _CDI else None


CHECKS: Final = (
    Check(
        code="LD0302",
        slug="kubelet-skew",
        title="Kubelets are near enough to the server",
        severity=Severity.WARNING,
        rule=_skew,
        needs=("version", "nodes"),
        why="A kubelet may be up to three minor versions older than the API server, and never newer.",
        remedy="Upgrade the control plane, then the nodes.",
        sources=("https://kubernetes.io/releases/version-skew-policy/#kubelet",),
    ),
    Check(
        code="LD0310",
        slug="container-runtime",
        title="Container runtimes hand out claimed devices",
        severity=Severity.WARNING,
        rule=_runtime,
        needs=("nodes",),
        why="Claimed devices reach a container by the Container Device Interface, which containerd has on by default"
        " from 2.0 on, and every CRI-O that knows it.",
        remedy="Upgrade the runtime, or turn CDI on.",
        sources=(
            "https://github.com/NVIDIA/k8s-dra-driver-gpu/blob/main/docs/prerequisites.md",
            "https://github.com/containerd/containerd/pull/9621",
            "https://github.com/cncf-tags/container-device-interface#how-to-configure-cdi",
        ),
    ),
)
