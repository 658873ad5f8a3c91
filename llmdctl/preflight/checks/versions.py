"""Is this Kubernetes new enough for what the recipe renders and for the controllers that it needs?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.verdict import UnknowableError, Verdict, failed, passed, skipped, warned

Minor = tuple[int, int]
_OLDEST: Final = (1, 29)  # native sidecars are on from here: the routing sidecar is one
_TESTED: Final = (1, 33)  # sidecars are stable, and no pod hangs in Init:0/1
_SIDECAR_DOCS: Final = "https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/"
_KEYS_DOCS: Final = "https://www.kubernetes.dev/resources/keps/3633/"
_ZERO_DOCS: Final = "https://kubernetes.io/blog/2026/09/02/kubernetes-v1-37-hpa-scale-to-zero-beta/"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Floor:
    """The oldest Kubernetes of something that a recipe may need."""

    oldest: Minor
    what: str
    hard: bool  # it does not work below; else it is not supported there
    source: str


_CONTROLLERS: Final = {  # by the name of the prerequisite in versions.yaml
    "istio": _Floor(
        oldest=(1, 31),
        what="Istio 1.29",
        hard=False,
        source="https://istio.io/latest/docs/releases/supported-releases/",
    ),
    "envoy-ai-gateway": _Floor(
        oldest=(1, 32),
        what="Envoy AI Gateway",
        hard=True,
        source="https://aigateway.envoyproxy.io/docs/getting-started/prerequisites/",
    ),
}
_CLAIMS: Final = _Floor(
    oldest=(1, 34),
    what="resource.k8s.io/v1, in which device claims are rendered,",
    hard=True,
    source="https://github.com/NVIDIA/k8s-dra-driver-gpu/blob/main/docs/prerequisites.md",
)


def minor(text: str) -> Minor | None:
    """`v1.34.2-gke.100` -> (1, 34)."""
    found = re.match(r"v?(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def spoken(version: Minor) -> str:
    """`1.34`."""
    return ".".join(map(str, version))


def server_minor(case: Case) -> Minor:
    """The server's minor version. Raises UnknowableError when it does not say."""
    for item in case.section("version"):
        found = minor(str(item.get("gitVersion", "")))
        if found:
            return found
    raise UnknowableError("version: the server did not state one")


def _floors(case: Case) -> Iterator[_Floor]:
    """What the rendered objects and the recipe's prerequisites ask for beyond the common floor."""
    if any(str(obj.get("apiVersion")) == "resource.k8s.io/v1" for obj in case.objects):
        yield _CLAIMS
    for needed in case.recipe.prerequisites if case.recipe else ():
        if needed.name in _CONTROLLERS:
            yield _CONTROLLERS[needed.name]


def _server(case: Case) -> Verdict:
    have = server_minor(case)
    said = f"Kubernetes {spoken(have)}"
    seen = (Evidence(object="section//version", observed=spoken(have)),)
    if have < _OLDEST:
        return failed(f"{said} is too old: sidecars need 1.29.", seen, "Upgrade the cluster.")
    short = [floor for floor in _floors(case) if have < floor.oldest]
    if any(floor.hard for floor in short):
        words = " and ".join(f"{floor.what} needs {spoken(floor.oldest)}" for floor in short)
        return failed(f"{said} is too old: {words}.", seen, "Upgrade the cluster.")
    if short:
        words = " and ".join(f"{floor.what} supports {spoken(floor.oldest)} and later" for floor in short)
        return warned(f"{said}: {words}.", seen, "Upgrade the cluster, or choose another --gateway.")
    if have < _TESTED:
        return warned(f"{said}: before 1.33 a pod with a sidecar may hang in Init:0/1.", seen, "Upgrade when you can.")
    return passed(f"{said}.")


def _sidecars(case: Case) -> Verdict:
    users = [
        template.identity
        for template in case.workloads
        if any(init.get("restartPolicy") == "Always" for init in template.spec.get("initContainers") or ())
    ]
    if not users:
        return skipped("no pod with a native sidecar is rendered")
    kubelets = {node.identity: minor(node.info.get("kubeletVersion", "")) for node in case.nodes}
    versions = {"section//version": server_minor(case), **kubelets}
    known = {name: version for name, version in versions.items() if version is not None}
    old = {name: version for name, version in known.items() if version < _TESTED}
    evidence = [Evidence(object=name, observed=spoken(version), expected="1.33") for name, version in old.items()]
    if any(version < _OLDEST for version in old.values()):
        return failed(
            f"{len(users)} workloads have native sidecars, which Kubernetes before 1.29 starts as init containers that"
            " never end.",
            evidence,
            "Upgrade the control plane and the nodes.",
        )
    if old:
        return warned(
            f"{len(users)} workloads have native sidecars; the server or {len(old)} of {len(kubelets)} nodes are"
            " older than 1.33, where their pods may hang in Init:0/1.",
            evidence,
            "Upgrade when you can; deleting such a pod lets it start.",
        )
    if not kubelets:
        raise UnknowableError("nodes: there is none, so no kubelet's version is known")
    if len(known) < len(versions):
        raise UnknowableError(f"nodes: {len(versions) - len(known)} do not state the version of their kubelet")
    return passed(f"The server and all {len(kubelets)} kubelets run native sidecars.")


def _match_keys(case: Case) -> Verdict:
    users = [template.identity for template in case.workloads if _has_keys(template.spec.get("affinity"))]
    if not users:
        return skipped("no pod affinity with matchLabelKeys is rendered")
    have = server_minor(case)
    if have < (1, 31):
        return failed(
            f"Kubernetes {spoken(have)} drops matchLabelKeys of a pod affinity (on from 1.31): pods of an old and a"
            " new rollout then repel or attract each other.",
            [Evidence(object=user, observed="affinity with matchLabelKeys") for user in users],
            "Upgrade the cluster, or take matchLabelKeys out of the affinity.",
        )
    return passed(f"Kubernetes {spoken(have)} knows matchLabelKeys.")


def _has_keys(affinity: Any) -> bool:  # noqa: ANN401  any part of an affinity
    if isinstance(affinity, dict):
        return "matchLabelKeys" in affinity or any(_has_keys(value) for value in affinity.values())
    return isinstance(affinity, list) and any(_has_keys(value) for value in affinity)


def _scale_to_zero(case: Case) -> Verdict:
    scalers = list(case.rendered("HorizontalPodAutoscaler"))
    if not scalers:
        return skipped("no HorizontalPodAutoscaler is rendered")
    to_zero = [obj for obj in scalers if (obj.get("spec") or {}).get("minReplicas") == 0]
    if not to_zero:
        return passed(f"None of {len(scalers)} HorizontalPodAutoscalers scales to zero.")
    have = server_minor(case)
    if have < (1, 37):
        return failed(
            f"Kubernetes {spoken(have)} refuses a HorizontalPodAutoscaler with minReplicas 0 (on by default from"
            " 1.37).",
            [Evidence(object=_named(obj), observed="minReplicas 0", expected="1 or more") for obj in to_zero],
            "Use an autoscaler of KEDA (--autoscaler keda-queue), or keep one replica.",
        )
    return passed(f"Kubernetes {spoken(have)} takes minReplicas 0.")


def _named(obj: Any) -> str:  # noqa: ANN401  a rendered object
    return f"{obj['kind']}/{obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}"


CHECKS: Final = (
    Check(
        code="LD0301",
        slug="server-version",
        title="Kubernetes is new enough",
        severity=Severity.ERROR,
        rule=_server,
        needs=("version",),
        why="The routing sidecar of disaggregated recipes is a native sidecar: an init container that keeps running, on"
        " by default since 1.29 and stable since 1.33. Device claims are rendered in resource.k8s.io/v1, which 1.34"
        " brought. Gateways have floors of their own.",
        remedy="Upgrade the control plane and the nodes.",
        sources=(_SIDECAR_DOCS, _CLAIMS.source, *(floor.source for floor in _CONTROLLERS.values())),
    ),
    Check(
        code="LD0303",
        slug="native-sidecars",
        title="Server and kubelets run native sidecars",
        severity=Severity.WARNING,
        rule=_sidecars,
        needs=("version", "nodes"),
        why="It is the kubelet that starts a sidecar: an old node in a new cluster starts it as an init container,"
        " and the pod never gets further.",
        remedy="Upgrade the nodes.",
        sources=(_SIDECAR_DOCS, "https://www.kubernetes.dev/resources/keps/753/"),
    ),
    Check(
        code="LD0306",
        slug="match-label-keys",
        title="Pod affinities keep their matchLabelKeys",
        severity=Severity.WARNING,
        rule=_match_keys,
        needs=("version",),
        why="A server that does not know the field drops it without a word, and pods of two rollouts then count"
        " against each other.",
        remedy="Upgrade the cluster, or leave the field out.",
        sources=(_KEYS_DOCS,),
    ),
    Check(
        code="LD0307",
        slug="scale-to-zero",
        title="Nothing is scaled to zero that cannot be",
        severity=Severity.ERROR,
        rule=_scale_to_zero,
        needs=("version",),
        why="A HorizontalPodAutoscaler scales to zero only from Kubernetes 1.37 on; before, KEDA does it.",
        remedy="Use an autoscaler of KEDA.",
        sources=(_ZERO_DOCS, "https://www.kubernetes.dev/resources/keps/2021/"),
    ),
)
