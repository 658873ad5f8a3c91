"""Volume claims that a recipe makes, and those that it expects to be there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from llmdctl.preflight.workload import PodTemplate

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case

Item = Mapping[str, Any]
_DEFAULT: Final = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
SHARED: Final = (
    "efs.csi.aws.com", "fsx.csi.aws.com", "filestore.csi.storage.gke.io", "lustre.csi.storage.gke.io",
    "gcsfuse.csi.storage.gke.io", "file.csi.azure.com", "azurelustre.csi.azure.com", "blob.csi.azure.com",
    "cephfs.csi.ceph.com", "nfs.csi.k8s.io", "nfs-subdir-external-provisioner", "csi.vastdata.com", "csi.weka.io",
    "fss.csi.oraclecloud.com", "driver.longhorn.io", "spectrumscale.csi.ibm.com", "beegfs.csi.netapp.com",
)  # fmt: skip
"""Provisioners, or ends of their names, whose volumes pods on several nodes can write.

https://kubernetes-csi.github.io/docs/drivers.html (column "Supported Access Modes"), for Google's and Oracle's
https://cloud.google.com/kubernetes-engine/docs/concepts/storage-overview and
https://docs.oracle.com/en-us/iaas/Content/ContEng/Tasks/contengcreatingpersistentvolumeclaim.htm
"""

SINGLE: Final = (
    "ebs.csi.aws.com", "ebs.csi.eks.amazonaws.com", "pd.csi.storage.gke.io", "disk.csi.azure.com",
    "dobs.csi.digitalocean.com", "blockvolume.csi.oraclecloud.com", "rbd.csi.ceph.com", "rancher.io/local-path",
    "kubernetes.io/aws-ebs", "kubernetes.io/gce-pd", "kubernetes.io/azure-disk",
)  # fmt: skip
"""Provisioners whose file systems one node at a time can write; most of them are also bound to one zone.

https://kubernetes-csi.github.io/docs/drivers.html
"""


@dataclass(frozen=True, kw_only=True)
class NewClaim:
    """A claim that the recipe makes, itself or through a template."""

    owner: str  # as evidence names it
    name: str
    spec: Item

    @property
    def modes(self) -> tuple[str, ...]:
        return tuple(str(each) for each in self.spec.get("accessModes") or ())

    @property
    def storage_class(self) -> str | None:
        """None: the cluster's default; empty: none, a volume that is there already."""
        stated = self.spec.get("storageClassName")
        return None if stated is None else str(stated)


@dataclass(frozen=True, kw_only=True)
class UsedClaim:
    """A claim that pods name and that the recipe does not make."""

    template: PodTemplate
    name: str
    read_only: bool


def new_claims(case: Case) -> Iterator[NewClaim]:
    """Claims of their own, of StatefulSets and LeaderWorkerSets, and of ephemeral volumes."""
    for obj in case.rendered("PersistentVolumeClaim"):
        name = str(obj["metadata"]["name"])
        yield NewClaim(owner=f"PersistentVolumeClaim/{case.namespace}/{name}", name=name, spec=obj.get("spec") or {})
    for obj in case.rendered("StatefulSet", "LeaderWorkerSet"):
        owner = f"{obj['kind']}/{obj['metadata'].get('namespace', case.namespace)}/{obj['metadata']['name']}"
        for row in (obj.get("spec") or {}).get("volumeClaimTemplates") or ():
            yield NewClaim(
                owner=owner, name=str((row.get("metadata") or {}).get("name", "")), spec=row.get("spec") or {}
            )
    for template in case.workloads:
        for volume in template.spec.get("volumes") or ():
            made = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
            if made:
                yield NewClaim(owner=template.identity, name=str(volume["name"]), spec=made.get("spec") or {})


def used_claims(case: Case) -> Iterator[UsedClaim]:
    """Claims that pods name, each once a template."""
    own = {str(obj["metadata"]["name"]) for obj in case.rendered("PersistentVolumeClaim")}
    for template in case.workloads:
        for volume in template.spec.get("volumes") or ():
            source = volume.get("persistentVolumeClaim")
            if source and source.get("claimName") not in own:
                mounts = [
                    row
                    for container in template.containers
                    for row in container.get("volumeMounts") or ()
                    if row.get("name") == volume.get("name")
                ]
                reading = bool(source.get("readOnly")) or (bool(mounts) and all(row.get("readOnly") for row in mounts))
                yield UsedClaim(template=template, name=str(source["claimName"]), read_only=reading)


def existing(case: Case, name: str) -> Item | None:
    """A claim of the release's namespace. Raises UnknowableError where claims could not be read."""
    for item in case.section("persistent-volume-claims"):
        if item["metadata"]["name"] == name and item["metadata"].get("namespace") == case.namespace:
            return item
    return None


def classes(case: Case) -> Mapping[str, Item]:
    """Storage classes by name. Raises UnknowableError where they could not be read."""
    return {str(item["metadata"]["name"]): item for item in case.section("storage-classes")}


def defaults(case: Case) -> tuple[str, ...]:
    """The classes that are marked as default, the newest first: that one counts."""
    found = [item for item in case.section("storage-classes") if is_default(item)]
    found.sort(key=lambda item: str(item["metadata"].get("creationTimestamp", "")), reverse=True)
    return tuple(str(item["metadata"]["name"]) for item in found)


def is_default(item: Item) -> bool:
    annotations = item["metadata"].get("annotations") or {}
    return any(annotations.get(key) == "true" for key in _DEFAULT)


def chosen_class(case: Case, claim: NewClaim) -> Item | None:
    """The class of a new claim; None where it has none or names one that does not exist."""
    name = claim.storage_class
    if name is None:
        name = next(iter(defaults(case)), "")
    return classes(case).get(name)


def kind_of(provisioner: str) -> str:
    """`shared`, `single` or empty where it is not known."""
    if any(provisioner == each or provisioner.endswith((f".{each}", f"/{each}")) for each in SHARED):
        return "shared"
    return "single" if any(provisioner == each or provisioner.endswith(f".{each}") for each in SINGLE) else ""
