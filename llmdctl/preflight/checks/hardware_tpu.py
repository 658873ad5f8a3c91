"""Are the TPU slices those that the recipe asks for, and whole?"""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

from llmdctl.model.finding import Severity
from llmdctl.preflight.candidates import SHOWN, Candidate, Server, some
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.hardware import READS
from llmdctl.preflight.nodelocal import in_service
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, warned

_TPU: Final = "google.com/tpu"
_TYPE: Final = "cloud.google.com/gke-tpu-accelerator"
_TOPOLOGY: Final = "cloud.google.com/gke-tpu-topology"
_POOL: Final = "cloud.google.com/gke-nodepool"
_DOC: Final = "https://cloud.google.com/kubernetes-engine/docs/concepts/tpus"
_NO_TPU: Final = "the recipe asks for no TPU"


def _tpu_servers(case: Case) -> tuple[Server, ...]:
    return tuple(each for each in case.servers if each.resource == _TPU)


def _topology(case: Case) -> Verdict:
    found = _tpu_servers(case)
    if not found:
        return skipped(_NO_TPU)
    for server in found:
        wanted = " ".join(
            str(server.template.spec.get("nodeSelector", {}).get(key, "any")) for key in (_TYPE, _TOPOLOGY)
        )
        if not server.offering:
            return _others(case, server, wanted)
        largest = max(each.device.count for each in server.offering)
        if server.count > largest:
            return failed(
                f"A pod of {server.role} asks for {server.count} chips; a node of {wanted} has {largest}.",
                (each.saw(f"{_TPU} {each.device.count}", str(server.count)) for each in server.offering[:SHOWN]),
                f"Ask for {largest} chips a pod, or for a topology with more chips on one host.",
            )
    return passed("; ".join(f"{each.role}: {some(each.offering)} fit" for each in found) + ".")


def _others(case: Case, server: Server, wanted: str) -> Verdict:
    present = [each for each in case.hosts if each.node.allocatable.get(_TPU)]
    if not present:
        return failed(
            f"{server.role} wants TPUs ({wanted}), and no node has any.",
            (),
            "Add a node pool with this machine type and topology.",
        )
    said = Counter(f"{each.node.labels.get(_TYPE, '?')} {each.node.labels.get(_TOPOLOGY, '?')}" for each in present)
    return failed(
        f"{server.role} wants {wanted}; the cluster has "
        + ", ".join(f"{n} x {kind}" for kind, n in said.items())
        + ".",
        (
            each.saw(f"{each.node.labels.get(_TYPE)} {each.node.labels.get(_TOPOLOGY)}", wanted)
            for each in present[:SHOWN]
        ),
        "Choose the tensor parallelism that makes a topology the cluster has, or add a node pool.",
    )


def _complete(case: Case) -> Verdict:
    found = _tpu_servers(case)
    nodes = {each.node.name: each for server in found for each in server.offering}
    pools: dict[tuple[str, str], list[Candidate]] = {}
    for each in nodes.values():
        labels = each.node.labels
        pools.setdefault((labels.get(_POOL, ""), labels.get(_TOPOLOGY, "")), []).append(each)
    several = {key: members for key, members in pools.items() if _hosts(key[1], members) > 1}
    if not found:
        return skipped(_NO_TPU)
    if not several:
        return skipped(
            "no candidate belongs to a slice of several hosts" if nodes else "no node is a candidate, see LD0637"
        )
    broken = {key: why for key, members in several.items() if (why := _lacking(case, key[1], members))}
    if not broken:
        return passed(f"{len(several)} slices of several hosts are whole and free.")
    make = failed if len(broken) == len(pools) else warned
    (pool, topology), why = next(iter(broken.items()))
    return make(
        f"{len(broken)} of {len(pools)} slices cannot be used: node pool {pool or 'unnamed'} with topology"
        f" {topology} {why}.",
        (each.saw(f"pool {key[0]}, topology {key[1]}") for key in broken for each in several[key][:SHOWN]),
        "A slice of several hosts works as a whole: repair or recreate the node pool, or free its nodes.",
    )


def _hosts(topology: str, members: list[Candidate]) -> int:
    """Hosts of one slice: chips by the topology over chips of a host, which differ by machine type."""
    sides = [int(side) for side in topology.split("x") if side.isdigit()]
    per_host = max(each.device.count for each in members)
    return max(1, math.prod(sides) // per_host) if sides else 1


def _lacking(case: Case, topology: str, members: list[Candidate]) -> str:
    wanted = _hosts(topology, members)
    working = [each for each in members if in_service(each.node)]
    if len(working) < wanted:
        return f"has {len(working)} of {wanted} hosts in service"
    free = [each for each in working if case.free[each.node.name].get(_TPU, 0) >= each.device.count]
    return "" if len(free) >= wanted else f"has {len(free)} of {wanted} hosts free"


def _exclusive(case: Case) -> Verdict:
    found = [each for each in _tpu_servers(case) if each.usable]
    if not found:
        return skipped(_NO_TPU if not _tpu_servers(case) else "no node is a candidate, see LD0637")
    for server in found:
        larger = [each for each in server.usable if each.device.count > server.count]
        if larger:
            return failed(
                f"A pod of {server.role} asks for {server.count} of the {larger[0].device.count} chips of a node; "
                "the others of the node cannot be used by another pod of the slice.",
                (each.saw(f"{_TPU} {each.device.count}", str(server.count)) for each in larger[:SHOWN]),
                f"Ask for all {larger[0].device.count} chips, or use a machine type with {server.count}.",
            )
    return passed("A pod takes every chip of its node.")


CHECKS: Final = (
    Check(
        code="LD0637",
        slug="tpu-topology",
        title="TPU nodes have the type and the topology that the pods ask for",
        severity=Severity.ERROR,
        rule=_topology,
        needs=READS,
        why="A TPU pod selects its nodes by type and topology and asks for chips of one host: 2x2x1 has four, so a"
        " pod that asks"
        " for eight there never starts.",
        remedy="Let request and topology agree with the machine type.",
        sources=(_DOC, "https://github.com/AI-Hypercomputer/xpk/blob/main/src/xpk/core/system_characteristics.py"),
    ),
    Check(
        code="LD0638",
        slug="tpu-slice",
        title="TPU slices of several hosts are whole and free",
        severity=Severity.ERROR,
        rule=_complete,
        needs=(*READS, "pods"),
        why="A slice of several hosts works only as a whole. How many hosts it has follows from the topology and"
        " from what one"
        " node offers: 2x4 is one host of eight chips, or two of four.",
        remedy="Recreate the node pool.",
        sources=(_DOC, "https://github.com/AI-Hypercomputer/xpk/blob/main/src/xpk/core/system_characteristics.py"),
    ),
    Check(
        code="LD0639",
        slug="tpu-exclusive",
        title="A pod takes every TPU chip of its node",
        severity=Severity.WARNING,
        rule=_exclusive,
        needs=READS,
        why="The chips of a host are given to one pod: a request for fewer leaves the others idle, or is refused.",
        remedy="Ask for as many chips as the node has.",
        sources=(_DOC,),
    ),
)
