"""Are the volumes that the recipe needs there, or can they be made, for the nodes that need them?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.model.quantity import exact
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.interconnect import hosts
from llmdctl.preflight.node import Node
from llmdctl.preflight.phrases import listed
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, unknown, warned
from llmdctl.preflight.volumes import (
    NewClaim,
    UsedClaim,
    chosen_class,
    classes,
    defaults,
    existing,
    kind_of,
    new_claims,
    used_claims,
)

_NO_RECIPE: Final = "no recipe was named"
_NO_CLAIM: Final = "the recipe makes no volume claim"
_NO_VOLUME: Final = "the recipe uses no volume claim"
_ZONE: Final = "topology.kubernetes.io/zone"


def _class(case: Case) -> Verdict:
    made = tuple(new_claims(case))
    if not case.objects or not made:
        return skipped(_NO_CLAIM if case.objects else _NO_RECIPE)
    there, standard = classes(case), defaults(case)
    lacking = [each for each in made if each.storage_class and each.storage_class not in there]
    if lacking:
        return failed(
            f"The storage class {listed(dict.fromkeys(str(each.storage_class) for each in lacking))} does not exist;"
            f" there are: {listed(there) or 'none'}.",
            [Evidence(object=each.owner, observed=f"claim {each.name}") for each in lacking],
            "Name one that exists, or leave it out for the cluster's default.",
        )
    unnamed = [each for each in made if each.storage_class is None]
    if unnamed and not standard:
        return failed(
            f"{len(unnamed)} claims name no storage class, and none of {len(there)} is the default: they stay pending.",
            [Evidence(object=each.owner, observed=f"claim {each.name}") for each in unnamed],
            "Name a storage class, or mark one as default:",
            "$ kubectl annotate storageclass NAME storageclass.kubernetes.io/is-default-class=true",
        )
    if unnamed and len(standard) > 1:
        return warned(
            f"{len(standard)} storage classes are marked as default ({listed(standard)}); the newest, {standard[0]}, is"
            " taken.",
            [Evidence(object=f"StorageClass//{name}", observed="is-default-class: true") for name in standard],
            "Leave the mark on one.",
        )
    return passed(f"The storage classes of {len(made)} claims exist.")


def _shared(case: Case) -> Verdict:
    if not case.objects:
        return skipped(_NO_RECIPE)
    made = [each for each in new_claims(case) if {"ReadWriteMany", "ReadOnlyMany"} & set(each.modes)]
    used = [each for each in used_claims(case) if _pods(each) > 1]
    if not made and not used:
        return skipped("no volume has to be mounted on several nodes")
    for each in used:
        there = existing(case, each.name)
        modes = ((there or {}).get("spec") or {}).get("accessModes") or ()
        if there and not {"ReadWriteMany", *(("ReadOnlyMany",) if each.read_only else ())} & set(modes):
            return failed(
                f"{_pods(each)} pods of {each.template.role} mount the claim {each.name}, whose access mode is"
                f" {listed(modes) or 'not stated'}: pods on a second node never start.",
                [Evidence(object=f"PersistentVolumeClaim/{case.namespace}/{each.name}", observed=listed(modes))],
                "Make the claim ReadWriteMany or, where the pods only read, ReadOnlyMany, of a class that can.",
            )
    doubtful = []
    for claim in made:
        found = chosen_class(case, claim)
        provisioner = str((found or {}).get("provisioner", ""))
        kind = kind_of(provisioner)
        if kind == "single" and "ReadWriteMany" in claim.modes:
            return failed(
                f"The claim {claim.name} is to be written on several nodes, and {provisioner} makes volumes for one.",
                [Evidence(object=claim.owner, observed=f"class of {provisioner}", expected="a shared file system")],
                "Take a storage class of a shared file system: the platform's page of llmdctl names it.",
            )
        doubtful += [provisioner] if found and not kind else []
    if doubtful:
        return unknown(f"whether {listed(dict.fromkeys(doubtful))} makes volumes for several nodes is not known")
    return passed("Volumes that several nodes mount can be mounted there.")


def _pods(claim: UsedClaim) -> int:
    return claim.template.replicas * claim.template.per_replica


def _binding(case: Case) -> Verdict:
    made = tuple(new_claims(case))
    if not case.objects or not made:
        return skipped(_NO_CLAIM if case.objects else _NO_RECIPE)
    nodes = _hosts(case)
    zones = sorted({node.labels[_ZONE] for node in nodes if _ZONE in node.labels})
    if len(zones) < 2:
        return skipped(f"candidate nodes are in {len(zones)} zones")
    for claim in made:
        found = chosen_class(case, claim)
        if found is None or found.get("volumeBindingMode", "Immediate") != "Immediate":
            continue
        if kind_of(str(found.get("provisioner", ""))) != "shared":
            name = found["metadata"]["name"]
            return failed(
                f"The storage class {name} binds a volume before the pod has a node, and candidate nodes are in"
                f" {len(zones)} zones ({listed(zones)}): the volume may be where no accelerator is free.",
                [Evidence(object=f"StorageClass//{name}", observed="volumeBindingMode Immediate")],
                "Take a class with volumeBindingMode WaitForFirstConsumer.",
            )
    return passed(f"Volumes are made in the zone of their pod, or reach all {len(zones)} zones.")


def _hosts(case: Case) -> tuple[Node, ...]:
    return tuple({node.name: node for each in case.workloads for node in hosts(case, each)}.values())


def _existing(case: Case) -> Verdict:
    used = {each.name: each for each in used_claims(case)}
    if not case.objects or not used:
        return skipped("pods mount no claim that has to exist" if case.objects else _NO_RECIPE)
    problems = [(name, why) for name in used for why in _wrong(case, name)]
    if problems:
        said = "; ".join(f"{name} {why}" for name, why in problems)
        return failed(
            f"Claims that pods mount in namespace {case.namespace}: {said}.",
            [
                Evidence(object=f"PersistentVolumeClaim/{case.namespace}/{name}", observed=why, expected="Bound")
                for name, why in problems
            ],
            f"$ kubectl describe pvc -n {case.namespace} {problems[0][0]}",
        )
    return passed(f"All {len(used)} claims that pods mount are there.")


def _wrong(case: Case, name: str) -> Iterator[str]:
    claim = existing(case, name)
    if claim is None:
        yield "does not exist"
        return
    phase = str((claim.get("status") or {}).get("phase", ""))
    if claim["metadata"].get("deletionTimestamp"):
        yield "is being deleted"
    elif phase == "Lost":
        yield "has lost its volume"
    elif phase != "Bound" and not _waits(case, claim):
        yield f"is {phase or 'without a phase'}, not Bound"
    needed = _model_bytes(case)
    size = exact(((claim.get("status") or {}).get("capacity") or {}).get("storage"))
    if size is not None and needed and size < needed and _holds_model(case, name):
        yield f"has {float(size) / 2**30:.0f} GiB, and the model takes {needed / 2**30:.0f} GiB"


def _waits(case: Case, claim: Mapping[str, Any]) -> bool:
    """Whether it is bound only when its first pod has a node."""
    found = classes(case).get(str((claim.get("spec") or {}).get("storageClassName", "")), {})
    return bool(found.get("volumeBindingMode") == "WaitForFirstConsumer")


def _model_bytes(case: Case) -> float:
    facts = case.recipe.facts.get("model") if case.recipe else None
    return float((facts or {}).get("weight_bytes") or 0)


def _holds_model(case: Case, name: str) -> bool:
    values = case.recipe.values.get("modelserver") if case.recipe else None
    model = (values or {}).get("model") or {}
    return model.get("source") == "pvc" and (model.get("pvc") or {}).get("claimName") == name


def _driver(case: Case) -> Verdict:
    if not case.objects:
        return skipped(_NO_RECIPE)
    provisioners = {name for name in _provisioners(case) if name}
    if not provisioners:
        return skipped(_NO_VOLUME)
    nodes = _hosts(case)
    if not nodes:
        return skipped("no node has the accelerator that the pods ask for")
    installed = {
        str(item["metadata"]["name"]): {str(row.get("name")) for row in (item.get("spec") or {}).get("drivers") or ()}
        for item in case.section("csi-nodes")
    }
    drivers = set().union(*installed.values()) if installed else set()
    for name in sorted(provisioners & drivers):
        without = [node for node in nodes if name not in installed.get(node.name, set())]
        if without:
            say = failed if len(without) == len(nodes) else warned
            return say(
                f"{len(without)} of {len(nodes)} candidate nodes do not run the storage driver {name}: its pods there"
                " do not tolerate their taints, or are not selected for them.",
                [
                    Evidence(object=node.identity, observed=f"taints {listed(map(str, node.taints)) or 'none'}")
                    for node in without[:5]
                ],
                f"Let the node plugin of {name} tolerate the taints of accelerator nodes.",
            )
    unseen = provisioners - drivers
    if unseen:
        return unknown(f"no node names {listed(sorted(unseen))} as a storage driver; it may need none")
    return passed(f"All {len(nodes)} candidate nodes run {listed(sorted(provisioners))}.")


def _provisioners(case: Case) -> Iterator[str]:
    for claim in new_claims(case):
        yield str((chosen_class(case, claim) or {}).get("provisioner", ""))
    for used in used_claims(case):
        spec = (existing(case, used.name) or {}).get("spec") or {}
        yield str((classes(case).get(str(spec.get("storageClassName", ""))) or {}).get("provisioner", ""))


def _expansion(case: Case) -> Verdict:
    made: tuple[NewClaim, ...] = tuple(new_claims(case))
    names = {str(found["metadata"]["name"]): found for each in made if (found := chosen_class(case, each))}
    for used in used_claims(case):
        stated = str(((existing(case, used.name) or {}).get("spec") or {}).get("storageClassName", ""))
        if stated in classes(case):
            names[stated] = classes(case)[stated]
    if not case.objects or not names:
        return skipped(_NO_VOLUME if case.objects else _NO_RECIPE)
    fixed = [name for name, found in names.items() if not found.get("allowVolumeExpansion")]
    if fixed:
        return failed(
            f"Volumes of the storage class {listed(fixed)} cannot grow: a larger model needs a new claim.",
            [Evidence(object=f"StorageClass//{name}", observed="allowVolumeExpansion false") for name in fixed],
            "Make the claim large enough for the models to come.",
        )
    return passed(f"Volumes of {listed(names)} can grow.")


_CLASSES: Final = "https://kubernetes.io/docs/concepts/storage/storage-classes/"
_VOLUMES: Final = "https://kubernetes.io/docs/concepts/storage/persistent-volumes/"
CHECKS: Final = (
    Check(
        code="LD1001",
        slug="storage-class",
        title="Storage classes of new volumes exist",
        severity=Severity.ERROR,
        rule=_class,
        needs=("storage-classes",),
        why="A claim of a class that does not exist, or without a class where there is no default, stays pending, and"
        " its pod with it.",
        remedy="Name a class that exists.",
        sources=(_CLASSES,),
    ),
    Check(
        code="LD1002",
        slug="shared-volumes",
        title="Volumes for several nodes can be mounted on several",
        severity=Severity.ERROR,
        rule=_shared,
        needs=("storage-classes", "persistent-volume-claims"),
        why="Disks of clouds are attached to one node. Pods on other nodes wait for the volume for ever.",
        remedy="Take a class of a shared file system.",
        sources=(f"{_VOLUMES}#access-modes", "https://kubernetes-csi.github.io/docs/drivers.html"),
    ),
    Check(
        code="LD1003",
        slug="volume-binding",
        title="Volumes are made where their pods go",
        severity=Severity.WARNING,
        rule=_binding,
        needs=("storage-classes", "nodes", "resource-slices"),
        why="With volumeBindingMode Immediate a disk is made in some zone before the scheduler has chosen a node, and"
        " ties the pod to that zone.",
        remedy="Take a class that waits for the first consumer.",
        sources=(f"{_CLASSES}#volume-binding-mode",),
    ),
    Check(
        code="LD1004",
        slug="existing-claims",
        title="Claims that pods mount exist and are bound",
        severity=Severity.ERROR,
        rule=_existing,
        needs=("persistent-volume-claims", "storage-classes"),
        why="The charts make no claim for a model: weights outlive releases. A pod that names one that is absent, lost"
        " or being deleted never starts.",
        remedy="Make the claim, or name the one that there is.",
        sources=(_VOLUMES,),
    ),
    Check(
        code="LD1005",
        slug="storage-driver",
        title="The storage driver runs on accelerator nodes",
        severity=Severity.WARNING,
        rule=_driver,
        needs=("storage-classes", "persistent-volume-claims", "csi-nodes", "nodes", "resource-slices"),
        why="A volume is mounted by a DaemonSet of its driver. Taints of accelerator nodes often keep it away, and pods"
        " hang in ContainerCreating.",
        remedy="Let the driver tolerate the taints.",
        sources=("https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/csi-node-v1/",),
    ),
    Check(
        code="LD1006",
        slug="volume-expansion",
        title="Volumes can grow",
        severity=Severity.NOTE,
        rule=_expansion,
        needs=("storage-classes", "persistent-volume-claims"),
        why="A volume for models that cannot grow has to be made anew for a larger one.",
        remedy="Take a class with allowVolumeExpansion.",
        sources=(f"{_VOLUMES}#expanding-persistent-volumes-claims",),
    ),
)
