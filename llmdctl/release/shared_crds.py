"""CRDs that llmdctl put into a cluster. They are shared: no release owns them."""

from __future__ import annotations

from collections.abc import Iterator

from llmdctl.kube import FIELD_MANAGER, Cluster, KubernetesObject, key_of


def applied_crds(cluster: Cluster) -> Iterator[KubernetesObject]:
    """The metadata of the CRDs that llmdctl applied, here or in an earlier run: their schemas weigh megabytes."""
    for crd in cluster.list_objects("apiextensions.k8s.io/v1", "CustomResourceDefinition", metadata_only=True):
        entries = (crd.get("metadata") or {}).get("managedFields") or ()
        if any(entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" for entry in entries):
            yield crd


def is_unused(cluster: Cluster, crd: KubernetesObject) -> bool:
    """Whether no object of the kind is left anywhere; removing the CRD would remove them with it."""
    spec = (cluster.get(key_of(crd)) or {}).get("spec") or {}
    served = next((version["name"] for version in spec.get("versions") or () if version.get("served")), None)
    if served is None:
        return False
    api_version = f"{spec['group']}/{served}"
    return not cluster.list_objects(api_version, str(spec["names"]["kind"]), metadata_only=True, limit=1)
