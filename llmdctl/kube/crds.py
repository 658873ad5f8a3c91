"""Putting CustomResourceDefinitions into a cluster: one field manager, nothing taken from another owner."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from llmdctl.errors import ConflictError, WaitError
from llmdctl.kube.door import FIELD_MANAGER, Cluster, KubernetesObject, key_of
from llmdctl.model.release import ObjectKey

_POLL_S: Final = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class CrdChange:
    """What was done about one CRD."""

    name: str
    action: str  # create | change | keep (its owner is somebody else and it serves what is needed)


def crd_key(name: str) -> ObjectKey:
    """The key of a CustomResourceDefinition by its full name, such as `gateways.gateway.networking.k8s.io`."""
    return ObjectKey(api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition", namespace=None, name=name)


def ensure_crds(
    cluster: Cluster,
    crds: Sequence[KubernetesObject],
    *,
    timeout_s: float = 60.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[CrdChange, ...]:
    """Apply the CRDs and wait until they are Established.

    A CRD that somebody else put there is kept when it serves every version that ours serves; else ConflictError names
    its owner. One of ours is brought up to date. Raises WaitError when one is not Established in time.
    """
    deadline_s = clock() + timeout_s
    changes = tuple(_ensure(cluster, crd) for crd in crds)
    for crd in crds:
        name = key_of(crd).name
        while not is_established(cluster.get(crd_key(name))):
            if clock() >= deadline_s:
                raise WaitError(
                    f"CustomResourceDefinition {name} was not Established within {timeout_s:.0f} s",
                    remedy=f"See: kubectl describe crd {name}",
                )
            sleep(_POLL_S)
    if any(change.action != "keep" for change in changes):
        cluster.served(fresh=True)
    return changes


def _ensure(cluster: Cluster, crd: KubernetesObject) -> CrdChange:
    name = key_of(crd).name
    live = cluster.get(crd_key(name))
    if live is not None and FIELD_MANAGER not in managers(live):
        missing = served_versions(crd) - served_versions(live)
        if missing:
            raise ConflictError(
                f"CustomResourceDefinition {name} belongs to {' and '.join(managers(live)) or 'somebody else'}"
                f" and does not serve {', '.join(sorted(missing))}",
                remedy="Have its owner bring it up to date.",
            )
        return CrdChange(name=name, action="keep")
    cluster.apply(crd)
    return CrdChange(name=name, action="create" if live is None else "change")


def managers(obj: KubernetesObject) -> list[str]:
    """Who manages fields of an object's main resource; status writers are left out."""
    entries = (obj.get("metadata") or {}).get("managedFields") or ()
    return sorted({str(entry.get("manager")) for entry in entries if not entry.get("subresource")})


def served_versions(crd: KubernetesObject | None) -> frozenset[str]:
    """The versions that a CRD serves."""
    versions = ((crd or {}).get("spec") or {}).get("versions") or ()
    return frozenset(str(version["name"]) for version in versions if version.get("served"))


def is_established(crd: KubernetesObject | None) -> bool:
    """Whether its objects can be made."""
    conditions = ((crd or {}).get("status") or {}).get("conditions") or ()
    return any(entry.get("type") == "Established" and entry.get("status") == "True" for entry in conditions)
