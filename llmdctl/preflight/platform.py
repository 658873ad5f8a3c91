"""Whose Kubernetes this is, from what its nodes and its API show."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from llmdctl.model.check import Platform
from llmdctl.preflight.node import Node
from llmdctl.preflight.verdict import UnknowableError

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case

_CERTAIN, _LIKELY, _UNKNOWN = "certain", "likely", "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Mark:
    """What nodes of one platform carry, and where its API answers."""

    name: str  # of the platform's facet
    labels: tuple[str, ...] = ()  # prefixes of label keys that nobody else writes
    kubelet: str = ""  # a part of the kubelet's and the server's version
    server: str = ""  # what the host of the API ends with
    context: str = ""  # what a context's name begins with, as the platform's own tool writes it


_MARKS: Final = (
    _Mark(name="openshift", labels=("node.openshift.io/", "machineconfiguration.openshift.io/")),
    _Mark(
        name="coreweave",
        labels=("node.coreweave.cloud/", "backend.coreweave.cloud/", "ib.coreweave.cloud/"),
        server=".coreweave.com",
    ),
    _Mark(
        name="gke",
        labels=("cloud.google.com/gke-nodepool", "cloud.google.com/gke-os-distribution"),
        kubelet="-gke.",
        context="gke_",
    ),
    _Mark(
        name="eks",
        labels=("eks.amazonaws.com/", "alpha.eksctl.io/"),
        kubelet="-eks-",
        server=".eks.amazonaws.com",
    ),
    _Mark(
        name="aks",
        labels=("kubernetes.azure.com/role", "kubernetes.azure.com/agentpool", "kubernetes.azure.com/cluster"),
        server=".azmk8s.io",
    ),
    _Mark(name="doks", labels=("doks.digitalocean.com/",)),
    _Mark(name="oci", labels=("oci.oraclecloud.com/fault-domain",)),
)
"""In the order in which they are asked; `gke-accelerator` says nothing: CoreWeave writes it too.

GKE https://cloud.google.com/kubernetes-engine/docs/how-to/creating-managing-labels, EKS
https://docs.aws.amazon.com/eks/latest/userguide/automode.html, AKS https://learn.microsoft.com/azure/aks/use-labels,
CoreWeave https://docs.coreweave.com/docs/products/cks/concepts/workload-scheduling, DOKS
https://docs.digitalocean.com/products/kubernetes/details/managed/, OpenShift
https://docs.openshift.com/container-platform/latest/nodes/nodes/nodes-nodes-viewing.html, the others
https://github.com/cilium/cilium/blob/main/cilium-cli/k8s/client.go
"""

_OPENSHIFT_GROUPS: Final = ("config.openshift.io/", "route.openshift.io/")

_Sign = Callable[[Node], bool]
_LOCAL: Final[tuple[tuple[str, _Sign], ...]] = (
    ("k3s", lambda node: "+k3s" in node.info.get("kubeletVersion", "")),
    ("RKE2", lambda node: "+rke2" in node.info.get("kubeletVersion", "")),
    ("minikube", lambda node: "minikube.k8s.io/version" in node.labels),
    ("MicroK8s", lambda node: node.labels.get("microk8s.io/cluster") == "true"),
    ("kind", lambda node: node.provider.startswith("kind://")),
    ("KWOK", lambda node: "kwok.x-k8s.io/node" in node.annotations),
)
"""Kubernetes that somebody runs alone: no platform's facet, but worth saying."""


def detect(case: Case) -> Platform:
    """The platform with the reasons for it; `generic` where nothing says, unknown where something could not be read.

    Never raises. A platform that was stated is taken as it is.
    """
    if case.platform_stated:
        return Platform(name=case.platform_stated, confidence="stated", evidence=("stated by --platform",))
    missing: list[str] = []
    for look in (_by_nodes, _by_address, _by_version, _by_api):
        try:
            found = look(case)
        except UnknowableError as cause:
            missing.append(str(cause))
            continue
        if found:
            return found
    if missing:
        return Platform(name="generic", confidence=_UNKNOWN, evidence=tuple(missing))
    return Platform(
        name="generic", confidence=_LIKELY, evidence=tuple(_local(case)) or ("no platform's mark was seen",)
    )


def _by_nodes(case: Case) -> Platform | None:
    """What most nodes carry. A cluster that mixes marks (a node joined from elsewhere) is likely, not certain."""
    alike: dict[tuple[str, ...], tuple[str, str] | None] = {}
    marked = []
    for node in case.nodes:
        kind = (node.info.get("kubeletVersion", ""), *node.labels)
        if kind not in alike:
            alike[kind] = _mark_of(node)
        found = alike[kind]
        if found:
            marked.append(found)
    if not marked:
        return None
    counts = Counter(name for name, _ in marked)
    name, most = counts.most_common(1)[0]
    reason = next(why for own, why in marked if own == name)
    evidence = [f"{reason} on {most} of {len(case.nodes)} nodes"]
    evidence += [f"{other} by {count} nodes" for other, count in counts.items() if other != name]
    return Platform(name=name, confidence=_CERTAIN if len(counts) == 1 else _LIKELY, evidence=tuple(evidence))


def _mark_of(node: Node) -> tuple[str, str] | None:
    """The platform's name and the reason: labels of every platform before any version, which others may borrow."""
    for mark in _MARKS:
        label = next((key for key in node.labels if key.startswith(mark.labels)), None) if mark.labels else None
        if label:
            return mark.name, f"label {label}"
    version = node.info.get("kubeletVersion", "")
    return next(
        ((each.name, f"kubelet {version}") for each in _MARKS if each.kubelet and each.kubelet in version), None
    )


def _by_address(case: Case) -> Platform | None:
    host = re.sub(r"^https?://|[:/].*$", "", case.inventory.server.split("://")[-1])
    for mark in _MARKS:
        if mark.server and host.endswith(mark.server):
            return Platform(name=mark.name, confidence=_CERTAIN, evidence=(f"the API answers at {host}",))
    for mark in _MARKS:
        if mark.context and case.inventory.context.startswith(mark.context):
            return Platform(name=mark.name, confidence=_LIKELY, evidence=(f"context {case.inventory.context}",))
    return None


def _by_version(case: Case) -> Platform | None:
    versions = [str(item.get("gitVersion", "")) for item in case.section("version")]
    for mark in _MARKS:
        found = next((each for each in versions if mark.kubelet and mark.kubelet in each), None)
        if found:
            return Platform(name=mark.name, confidence=_CERTAIN, evidence=(f"server {found}",))
    return None


def _by_api(case: Case) -> Platform | None:
    """OpenShift's own API. That it may not be read is no proof that there is none."""
    for item in case.section("apis"):
        version = str(item.get("apiVersion", ""))
        if version.startswith(_OPENSHIFT_GROUPS):
            return Platform(name="openshift", confidence=_CERTAIN, evidence=(f"API {version}",))
    if case.section("cluster-versions"):
        return Platform(name="openshift", confidence=_CERTAIN, evidence=("a ClusterVersion exists",))
    return None


def _local(case: Case) -> Iterator[str]:
    for name, sign in _LOCAL:
        count = sum(1 for node in case.nodes if sign(node))
        if count:
            yield f"{name}, by {count} of {len(case.nodes)} nodes"
