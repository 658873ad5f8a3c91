"""Are the accelerators of a node many enough, large enough and alike?"""

from __future__ import annotations

from collections import Counter
from typing import Final

from llmdctl.model.finding import Severity
from llmdctl.preflight.candidates import SHOWN, Candidate, Server, some, together
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.hardware import READS, for_accelerators
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, unknown, warned

_TOLERANCE: Final = 0.97  # drivers of one card differ by less about its memory
_GFD: Final = "https://github.com/NVIDIA/k8s-device-plugin/blob/main/docs/gpu-feature-discovery/README.md"


def _enough_each(_: Case, found: tuple[Server, ...]) -> Verdict:
    counted = [each for each in found if each.resource != "google.com/tpu"]
    if not counted:
        return skipped("chips and topology of TPU nodes are judged together, see LD0637")
    for server in counted:
        largest = max((each.device.count for each in server.usable), default=0)
        if not server.usable:
            return skipped(f"no node is a candidate for {server.role}, see LD0601")
        if largest < server.count:
            return failed(
                f"A pod of {server.role} wants {server.count} {server.resource}; the largest of"
                f" {some(server.usable)} "
                f"has {largest}.",
                (
                    each.saw(f"{each.device.resource} {each.device.count}", str(server.count))
                    for each in server.usable[:SHOWN]
                ),
                f"Lower the tensor parallelism of {server.role} to {largest}, or spread a replica over nodes.",
            )
    return passed("; ".join(f"{each.role} wants {each.count} on one node" for each in counted) + ": there is one.")


def _memory(case: Case, found: tuple[Server, ...]) -> Verdict:
    facts = case.recipe.facts["accelerator"] if case.recipe else {}
    wanted = int(facts.get("memory_mib") or 0)
    if not wanted:
        return skipped("the recipe states no memory of its accelerator")
    nodes = together(each for server in found for each in server.usable)
    known = [each for each in nodes if each.device.memory_mib]
    if not nodes:
        return skipped("no node is a candidate, see LD0601")
    if not known and facts.get("memory_nominal"):
        return skipped(f"no node says how much memory a device has; {wanted} MiB is the maker's number")
    small = [each for each in known if (each.device.memory_mib or 0) < wanted * _TOLERANCE]
    if small:
        make = failed if len(small) == len(nodes) else warned
        return make(
            f"{len(small)} of {some(nodes)} have less than the {wanted} MiB a device that the recipe reckons"
            " with "
            f"({small[0].device.memory_mib} MiB by {small[0].device.memory_source}).",
            (
                each.saw(f"{each.device.memory_mib} MiB by {each.device.memory_source}", f"{wanted} MiB")
                for each in small[:SHOWN]
            ),
            "Choose the facet of the accelerator that these nodes have, or keep the pods off them.",
        )
    if len(known) < len(nodes):
        return unknown(f"{len(nodes) - len(known)} of {some(nodes)} do not say how much memory a device has.")
    sources = Counter(f"{each.device.memory_mib} MiB by {each.device.memory_source}" for each in known)
    return passed("; ".join(f"{count} nodes {text}" for text, count in sources.items()) + ".")


def _alike(_: Case, found: tuple[Server, ...]) -> Verdict:
    for server in found:
        kinds = Counter(_kind(each) for each in server.usable)
        products = {product for product, *_ in kinds}
        if len(kinds) > 1:
            said = "; ".join(f"{count} x {' '.join(filter(None, kind))}" for kind, count in kinds.items())
            make = failed if len(products) > 1 and server.template.group_size > 1 else warned
            return make(
                f"{server.role} may land on nodes that differ: {said}.",
                (each.saw(" ".join(filter(None, _kind(each)))) for each in server.usable[:SHOWN]),
                "Choose one kind with modelserver.roleDefaults.nodeSelector.",
            )
    return passed("Each role's nodes are alike.")


def _kind(each: Candidate) -> tuple[str, str, str, str]:
    driver = each.device.driver.split(".")[0]
    memory = f"{each.device.memory_mib} MiB" if each.device.memory_mib else ""
    arch = each.node.info.get("architecture") or each.node.labels.get("kubernetes.io/arch", "")
    return each.device.product, memory, f"driver {driver}" if driver else "", arch


CHECKS: Final = (
    Check(
        code="LD0604",
        slug="accelerators-per-node",
        title="A node has as many accelerators as a pod wants",
        severity=Severity.ERROR,
        rule=for_accelerators(_enough_each),
        needs=READS,
        why="A pod runs on one node. What counts is allocatable: the label gpu.count names physical GPUs, also"
        " where some of"
        " them are cut into MIG slices.",
        remedy="Lower tensor parallelism, or use larger nodes.",
        sources=("https://github.com/NVIDIA/k8s-device-plugin/issues/1501",),
    ),
    Check(
        code="LD0605",
        slug="device-memory",
        title="A device has the memory that the recipe reckons with",
        severity=Severity.ERROR,
        rule=for_accelerators(_memory),
        needs=READS,
        why="The parallelism of a recipe follows from the memory of one device. A product's name does not tell it:"
        " A100 exists"
        " with 40 and with 80 GB.",
        remedy="Choose the facet that names what the nodes have.",
        sources=(_GFD, "https://karpenter.sh/docs/reference/instance-types/"),
    ),
    Check(
        code="LD0606",
        slug="homogeneous-nodes",
        title="The nodes of a role are alike",
        severity=Severity.WARNING,
        rule=for_accelerators(_alike),
        needs=READS,
        why="A group is as slow as its slowest member, and a flag that suits one product may fail on another."
        " Ranks of one"
        " tensor-parallel group on different products do not work together.",
        remedy="Choose one kind of node by a label.",
        sources=(_GFD,),
    ),
)
