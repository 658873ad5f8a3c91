"""What was changed in the cluster behind Helm's back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from llmdctl.errors import ClusterError, ForbiddenError
from llmdctl.kube import Cluster, KubernetesObject, key_of
from llmdctl.model.release import ObjectChange
from llmdctl.release.changes import changed_live
from llmdctl.release.ownership import as_of_release

HELM_MANAGER: Final = "helm"
"""The field manager under which both majors of the helm program write."""


def drift(
    cluster: Cluster, objects: Sequence[KubernetesObject], *, name: str, namespace: str
) -> Iterator[ObjectChange]:
    """Objects of the stored manifest that are missing in the cluster, or differ from what applying it would make.

    Each is asked of the server by a dry run as Helm, so its defaults and normal forms are no difference. An object
    that may not be tried is left out.
    """
    for obj in objects:
        key = key_of(obj)
        try:
            live = cluster.get(key)
            if live is None:
                yield ObjectChange(key=key, action="create")
                continue
            wanted = as_of_release(obj, name, namespace)
            applied = cluster.apply(wanted, field_manager=HELM_MANAGER, force=True, dry_run=True)
        except ForbiddenError:
            continue
        except ClusterError as error:
            yield ObjectChange(key=key, action="change", lines=(f"! {error.message}",))
            continue
        change = changed_live(live, applied)
        if change is not None:
            yield change
