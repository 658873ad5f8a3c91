"""OpenShift's security context constraints: whether one admits a pod, and who may use it by its own lists.

A constraint fills in what a pod leaves out (user, groups, profile, dropped capabilities), so only what a pod states can
contradict it.

Source: https://github.com/openshift/apiserver-library-go (pkg/securitycontextconstraints), which OpenShift admits by.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from llmdctl.preflight.pod_security import Pod, host_ports

Item = Mapping[str, Any]
_UIDS: Final = "openshift.io/sa.scc.uid-range"
_GROUPS: Final = "openshift.io/sa.scc.supplemental-groups"
_PROFILES: Final = {"RuntimeDefault": "runtime/default", "Unconfined": "unconfined"}

FOR_EVERYBODY: Final = ("restricted-v2",)
"""Constraints that OpenShift binds to all authenticated users by RBAC, as their own lists do not show.

https://github.com/openshift/cluster-kube-apiserver-operator (bindata/bootkube/scc-manifests)
"""


def refusals(constraint: Item, pod: Pod, namespace: Mapping[str, str]) -> tuple[str, ...]:
    """Why a constraint does not admit a pod; empty where it does. `namespace` are the annotations of its namespace."""
    return tuple(dict.fromkeys((*_pod(constraint, pod, namespace), *_containers(constraint, pod, namespace))))


def usable(constraint: Item, account: str, namespace: str) -> bool:
    """Whether a service account may use it by its own lists, or as everybody may. What RBAC grants is not seen here."""
    users, groups = constraint.get("users") or (), constraint.get("groups") or ()
    own = {"system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"}
    return (
        constraint["metadata"]["name"] in FOR_EVERYBODY
        or f"system:serviceaccount:{namespace}:{account}" in users
        or bool(own & set(groups))
    )


def granted(objects: Iterable[Item], name: str) -> bool:
    """Whether rendered objects have a role that allows the use of a constraint."""
    return any(
        "use" in (rule.get("verbs") or ())
        and "securitycontextconstraints" in (rule.get("resources") or ())
        and name in (rule.get("resourceNames") or (name,))
        for obj in objects
        if obj.get("kind") in ("Role", "ClusterRole")
        for rule in obj.get("rules") or ()
    )


def _pod(constraint: Item, pod: Pod, namespace: Mapping[str, str]) -> Iterator[str]:
    for field, allowed in (
        ("hostNetwork", "allowHostNetwork"),
        ("hostPID", "allowHostPID"),
        ("hostIPC", "allowHostIPC"),
    ):
        if pod.spec.get(field) and not constraint.get(allowed):
            yield field
    volumes = constraint.get("volumes") or ()
    for volume in pod.spec.get("volumes") or () if "*" not in volumes else ():
        kinds = [kind for kind, source in volume.items() if kind != "name" and source is not None] or ["emptyDir"]
        if kinds[0] not in volumes:
            yield f"{kinds[0]} volume {volume.get('name')}"
    yield from _groups(constraint, pod, namespace)


def _groups(constraint: Item, pod: Pod, namespace: Mapping[str, str]) -> Iterator[str]:
    for field, asked in (
        ("fsGroup", (pod.security.get("fsGroup"),)),
        ("supplementalGroups", tuple(pod.security.get("supplementalGroups") or ())),
    ):
        strategy = constraint.get(field) or {}
        if strategy.get("type") != "MustRunAs":
            continue
        stated = [(int(each["min"]), int(each["max"])) for each in strategy.get("ranges") or ()]
        ranges = stated or [_range(namespace.get(_GROUPS) or namespace.get(_UIDS, ""))]
        for number in asked:
            if number is not None and not any(low <= int(number) <= high for low, high in ranges):
                yield f"{field} {number}"


def _containers(constraint: Item, pod: Pod, namespace: Mapping[str, str]) -> Iterator[str]:
    for name, container in pod.containers():
        context = container.get("securityContext") or {}
        if context.get("privileged") and not constraint.get("allowPrivilegedContainer"):
            yield f"{name} is privileged"
        escalates = constraint.get("allowPrivilegeEscalation", True)
        if context.get("allowPrivilegeEscalation") and not escalates:
            yield f"{name} allows privilege escalation"
        if constraint.get("readOnlyRootFilesystem") and context.get("readOnlyRootFilesystem") is False:
            yield f"{name} wants a writable root file system"
        yield from (f"{name} adds {each}" for each in _excess(constraint, context))
        yield from _user(constraint, pod, name, context, namespace)
        yield from _profile(constraint, pod, name, context)
        if host_ports(pod.spec, container) and not constraint.get("allowHostPorts"):
            yield f"{name} takes a port of the node"


def _excess(constraint: Item, context: Item) -> Iterator[str]:
    allowed = {*(constraint.get("allowedCapabilities") or ()), *(constraint.get("defaultAddCapabilities") or ())}
    if "*" in allowed:
        return
    for each in (context.get("capabilities") or {}).get("add") or ():
        if each not in allowed:
            yield str(each)


def _user(constraint: Item, pod: Pod, name: str, context: Item, namespace: Mapping[str, str]) -> Iterator[str]:
    stated = context.get("runAsUser", pod.security.get("runAsUser"))
    strategy = constraint.get("runAsUser") or {}
    kind = strategy.get("type")
    if stated is None or kind in (None, "RunAsAny"):
        return
    number = int(stated)
    if kind == "MustRunAsNonRoot":
        fits = number != 0
    elif kind == "MustRunAs":
        fits = number == int(strategy.get("uid") or 0)
    else:
        low, high = strategy.get("uidRangeMin"), strategy.get("uidRangeMax")
        own = (int(low), int(high)) if low is not None and high is not None else _range(namespace.get(_UIDS, ""))
        fits = own[0] <= number <= own[1]
    if not fits:
        yield f"{name} runs as user {number}"


def _profile(constraint: Item, pod: Pod, name: str, context: Item) -> Iterator[str]:
    stated = context.get("seccompProfile") or pod.security.get("seccompProfile")
    if not stated:
        return
    allowed = constraint.get("seccompProfiles") or ()
    kind = str(stated.get("type"))
    local = f"localhost/{stated.get('localhostProfile', '')}"
    if "*" not in allowed and _PROFILES.get(kind, local) not in allowed:
        yield f"{name} states the seccomp profile {kind}"


def _range(written: str) -> tuple[int, int]:
    """`1000680000/10000` -> the first and the last; nothing fits where the namespace has none."""
    found = re.match(r"(\d+)[/-](\d+)", written)
    if not found:
        return (1, 0)
    first, second = int(found[1]), int(found[2])
    return (first, first + second - 1) if "/" in found[0] else (first, second)
