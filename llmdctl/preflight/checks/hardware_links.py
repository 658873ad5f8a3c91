"""How devices reach each other: over links of their own, inside a node and beyond it."""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

from llmdctl.model.finding import Severity
from llmdctl.model.quantity import GPUS
from llmdctl.preflight.candidates import SHOWN, Candidate, Server, related, some, together
from llmdctl.preflight.case import Case
from llmdctl.preflight.catalogue import Catalogue
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.hardware import READS, for_accelerators
from llmdctl.preflight.identity import DRIVERS, product_of
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, unknown, warned

_GPUS: Final = frozenset((*GPUS, *DRIVERS))
CLIQUE: Final = "nvidia.com/gpu.clique"
_UNSET: Final = "00000000-0000-0000-0000-000000000000"  # fabric manager has given no domain
_RACK_NODES: Final = 18
_RACK_SPARE: Final = 2
_BEYOND_A_NODE: Final = 8  # devices; more are linked over switches outside
_GFD: Final = "https://github.com/NVIDIA/k8s-device-plugin/blob/main/docs/gpu-feature-discovery/README.md"
_RACKS: Final = "https://docs.coreweave.com/docs/platform/instances/gb200"


def _linked(case: Case, found: tuple[Server, ...]) -> Verdict:
    catalogue = case.catalogue
    parallel = [each for each in found if each.resource in _GPUS and _local_parallel(case, each) > 1]
    if not parallel:
        return skipped("no pod spreads a layer over several GPUs")
    unsure = []
    for server in parallel:
        wanted = _local_parallel(case, server)
        for each in server.usable:
            product = product_of(each.device, catalogue)
            linked = product.linked if product else None
            if linked is None:
                unsure.append(each)
            elif linked < wanted:
                return _over_pcie(server, wanted, linked, each)
    if unsure:
        return unknown(f"How the devices of {some(unsure)} are linked is not known.")
    return passed("The devices of a pod reach each other over links of their own.")


def _over_pcie(server: Server, wanted: int, linked: int, each: Candidate) -> Verdict:
    how = "over PCIe only" if linked == 1 else f"over NVLink in groups of {linked} only"
    return failed(
        f"{server.role} spreads a layer over {wanted} devices; those of {each.device.product} reach each other {how}.",
        (one.saw(one.device.product, f"{wanted} linked devices") for one in server.usable[:SHOWN]),
        f"Lower the tensor parallelism of {server.role} to {linked} and add replicas, if the model fits.",
    )


def _local_parallel(case: Case, server: Server) -> int:
    """Devices of one pod that one layer is spread over: tensor parallelism, at most the pod's devices."""
    for role in case.recipe.roles if case.recipe else ():
        if role.name == server.role:
            return min(role.tensor, server.count)
    return server.count


def _domain(case: Case, found: tuple[Server, ...]) -> Verdict:
    if not any(case.rendered("ComputeDomain")):
        return skipped("the recipe makes no ComputeDomain")
    nodes = together(each for server in found for each in server.usable)
    if not nodes:
        return skipped("no node is a candidate, see LD0601")
    cliques = {each.device.clique for each in nodes if _set(each)}
    if not cliques:
        return failed(
            f"None of {some(nodes)} carries {CLIQUE}: they belong to no NVLink domain, or feature discovery is absent.",
            (
                each.saw(f"{CLIQUE} {each.device.clique or 'absent'}", "<cluster UUID>.<clique>")
                for each in nodes[:SHOWN]
            ),
            "Install GPU feature discovery, and look at the fabric state on a node.",
            "$ nvidia-smi -q | grep -A4 Fabric",
        )
    wanted = sum(each.template.replicas * each.template.per_replica for each in found)
    room = {clique: _room(case, found, nodes, clique) for clique in cliques}
    best, most = max(room.items(), key=lambda item: item[1])
    if most < wanted:
        return failed(
            f"The recipe makes {wanted} pods that must share one NVLink domain; the roomiest of {len(room)} has"
            f" place for {most}.",
            (each.saw(f"{CLIQUE} {each.device.clique}") for each in nodes[:SHOWN]),
            "Use fewer replicas or smaller groups, or free a whole rack.",
        )
    return passed(f"The NVLink domain {best} has place for {most} pods; the recipe makes {wanted}.")


def _set(each: Candidate) -> bool:
    return bool(each.device.clique) and not each.device.clique.startswith(_UNSET)


def _room(case: Case, found: tuple[Server, ...], nodes: tuple[Candidate, ...], clique: str) -> int:
    """Pods of the largest sort that the free devices of one domain hold."""
    each_wants = max(server.count for server in found)
    resource = found[0].resource
    own = [each for each in nodes if each.device.clique == clique]
    return sum(int(case.free[each.node.name].get(resource, 0) // each_wants) for each in own)


def _none_expected(case: Case) -> Verdict:
    catalogue = case.catalogue
    nodes = [each for each in related(case) if each.device.resource in ("nvidia.com/gpu", "gpu.nvidia.com")]
    if not nodes:
        return skipped("no node has NVIDIA GPUs")
    single = [each for each in nodes if _within_a_node(each, catalogue)]
    if not single:
        return skipped("the GPUs belong to NVLink domains beyond a node, see LD0621")
    said = Counter(each.device.product for each in single)
    text = ", ".join(f"{count} x {name}" for name, count in said.items())
    return passed(f"{text}: NVLink ends at the node, so no {CLIQUE} is expected.")


def _within_a_node(each: Candidate, catalogue: Catalogue) -> bool:
    product = product_of(each.device, catalogue)
    return product is not None and product.linked is not None and product.linked <= _BEYOND_A_NODE


def _slack(case: Case, found: tuple[Server, ...]) -> Verdict:
    if not any(case.rendered("ComputeDomain")):
        return skipped("the recipe makes no ComputeDomain")
    if case.platform.name != "coreweave":
        return skipped(f"racks of {_RACK_NODES} nodes are CoreWeave's; this is {case.platform.name}")
    nodes = together(each for server in found for each in server.usable)
    devices = sum(each.count * each.template.replicas * each.template.per_replica for each in found)
    per_node = max((each.device.count for each in nodes), default=0)
    if not per_node:
        return skipped("no node is a candidate, see LD0601")
    wanted, least = math.ceil(devices / per_node), _RACK_NODES - _RACK_SPARE
    if wanted > least:
        return warned(
            f"The recipe takes {wanted} nodes of one rack; CoreWeave may take {_RACK_SPARE} of {_RACK_NODES} out"
            " for repair.",
            (
                each.saw(f"rack {each.node.labels.get('node.coreweave.cloud/rack', 'not stated')}")
                for each in nodes[:SHOWN]
            ),
            f"Plan with {least} nodes a rack.",
        )
    return passed(f"The recipe takes {wanted} nodes of a rack; {least} can be relied on.")


CHECKS: Final = (
    Check(
        code="LD0620",
        slug="intra-node-links",
        title="The devices of a pod are linked",
        severity=Severity.WARNING,
        rule=for_accelerators(_linked),
        needs=READS,
        why="Tensor parallelism exchanges activations after every layer. Over PCIe, as on L4, L40S and RTX PRO,"
        " that costs a"
        " large part of the time; H100 NVL and PCIe cards are bridged in pairs.",
        remedy="Lower tensor parallelism and add replicas.",
        sources=(
            "https://docs.vllm.ai/en/latest/serving/parallelism_scaling/",
            "https://www.nvidia.com/en-us/data-center/l40s/",
        ),
    ),
    Check(
        code="LD0621",
        slug="nvlink-domain",
        title="One NVLink domain has room for the recipe",
        severity=Severity.ERROR,
        rule=for_accelerators(_domain),
        needs=(*READS, "pods"),
        why="Pods reach GPUs of other nodes over NVLink only inside one domain (ClusterUUID.CliqueID). Without the"
        " label, or with"
        " a UUID of zeros, the fabric is not set up.",
        remedy="Repair the fabric, or make the recipe smaller.",
        sources=(_GFD, "https://github.com/Azure/azhpc-images/issues/506"),
    ),
    Check(
        code="LD0622",
        slug="no-nvlink-domain-expected",
        title="Whether an NVLink domain beyond the node is expected",
        severity=Severity.NOTE,
        rule=_none_expected,
        needs=READS,
        why="HGX nodes (H100, H200, B200, B300) have no clique label: their NVLink ends at the node. That is no fault.",
        remedy="Nothing is to be done.",
        sources=(_GFD, "https://github.com/NVIDIA/topograph"),
    ),
    Check(
        code="LD0623",
        slug="rack-slack",
        title="A rack has nodes to spare",
        severity=Severity.WARNING,
        rule=for_accelerators(_slack),
        needs=READS,
        why="GB200 nodes of CoreWeave come in racks of 18, of which two may be out for repair at any time.",
        remedy="Plan with 16 nodes a rack.",
        sources=(_RACKS,),
    ),
)
