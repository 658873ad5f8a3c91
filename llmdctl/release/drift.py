"""What was changed in the cluster behind Helm's back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from llmdctl.errors import ClusterError, ForbiddenError, UnauthenticatedError, UnreachableError
from llmdctl.kube import Cluster, KubernetesObject, key_of
from llmdctl.model.release import ObjectChange
from llmdctl.release.changes import changed_live
from llmdctl.release.ownership import as_of_release
from llmdctl.release.reading import at_once

HELM_MANAGER: Final = "helm"
"""The field manager under which both majors of the helm program write."""


def drift(
    cluster: Cluster, objects: Sequence[KubernetesObject], *, name: str, namespace: str
) -> tuple[ObjectChange, ...]:
    """Objects of the stored manifest that are missing in the cluster, or differ from what applying it would make.

    Each is asked of the server by a dry run as Helm, so its defaults and normal forms are no difference. An object
    that may not be tried is left out.
    """
    found = at_once(lambda obj: _drift(cluster, obj, name, namespace), objects)
    return tuple(change for change in found if change is not None)


def _drift(cluster: Cluster, obj: KubernetesObject, name: str, namespace: str) -> ObjectChange | None:
    key = key_of(obj)
    try:
        live = cluster.get(key)
        if live is None:
            return ObjectChange(key=key, action="create")
        wanted = as_of_release(obj, name, namespace)
        applied = cluster.apply(wanted, field_manager=HELM_MANAGER, force=True, dry_run=True)
    except ForbiddenError:
        return None
    except (UnauthenticatedError, UnreachableError):
        raise
    except ClusterError as error:
        return ObjectChange(key=key, action="change", lines=(f"! {error.message}",))
    return changed_live(live, applied)
