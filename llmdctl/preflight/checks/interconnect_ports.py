"""Whether pods reach each other's ports, and the ports of nodes that they want for themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.interconnect import NO_RDMA, NO_RECIPE, card_hosts, rdma_pods
from llmdctl.preflight.connections import inside, policies
from llmdctl.preflight.interconnect import cards
from llmdctl.preflight.network_policy import Blocked, Ruling, stopped
from llmdctl.preflight.phrases import listed
from llmdctl.preflight.pod_security import host_ports
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, warned

_ROCE_MTU: Final = 4096
"""The largest packet of RoCE; an Ethernet MTU below cannot carry it.

https://enterprise-support.nvidia.com/s/article/mtu-considerations-for-roce-based-applications
"""


def _side_channels(case: Case) -> Verdict:
    if not case.objects:
        return skipped(NO_RECIPE)
    needed = tuple(inside(case))
    if not needed:
        return skipped("no pod of the recipe connects to a model server")
    found = tuple(stopped(policies(case), needed))
    closed = [each for each in found if each.ruling is Ruling.BLOCKED]
    if closed:
        return failed(
            f"NetworkPolicies stop {len(closed)} of {len(needed)} connections between the recipe's pods:"
            f" {listed((str(each.connection) for each in closed), limit=3, between='; ')}.",
            rows(closed),
            f"Add a NetworkPolicy that allows {closed[0].direction} among the pods with the label"
            f" app.kubernetes.io/instance={case.release}.",
        )
    if found:
        return warned(
            f"Whether NetworkPolicies let {len(found)} of {len(needed)} connections through depends on the addresses of"
            " pods, which their rules name.",
            rows(found),
            "Allow the pods by their labels instead.",
        )
    return passed(f"NetworkPolicies let all {len(needed)} connections between the recipe's pods through.")


def rows(found: list[Blocked] | tuple[Blocked, ...]) -> list[Evidence]:
    """One row a policy: what it stops."""
    by_policy: dict[str, list[Blocked]] = {}
    for each in found:
        for name in each.policies:
            by_policy.setdefault(name, []).append(each)
    return [
        Evidence(
            object=name,
            observed=f"isolates {each[0].direction} and allows none of: "
            + listed((str(one.connection) for one in each), limit=3, between="; "),
        )
        for name, each in by_policy.items()
    ]


def _host_ports(case: Case) -> Verdict:
    if not case.objects:
        return skipped(NO_RECIPE)
    wanted = {
        port: template
        for template in case.workloads
        for container in template.containers
        for port in host_ports(template.spec, container)
    }
    if not wanted:
        return skipped("no pod of the recipe takes a port of its node")
    users = tuple({id(template): template for template in wanted.values()}.values())
    candidates = card_hosts(case, users) or case.nodes
    taken = {node.name: [row for row in _taken(case, node.name) if row[0] in wanted] for node in candidates}
    busy = {name: found for name, found in taken.items() if found}
    if busy:
        first = next(iter(busy.values()))[0]
        return failed(
            f"{len(busy)} of {len(candidates)} candidate nodes have a pod on a port that the recipe wants:"
            f" port {first[0]} is held by {first[1]}.",
            [
                Evidence(object=f"Node//{name}", observed=listed(f"port {port}: {pod}" for port, pod in found))
                for name, found in busy.items()
            ][:5],
            "Give the recipe other ports, or keep it away from these nodes.",
        )
    return passed(f"Ports {listed(map(str, sorted(wanted)))} are free on {len(candidates)} candidate nodes.")


def _taken(case: Case, node: str) -> Iterator[tuple[int, str]]:
    for pod in case.section("pods"):
        spec, metadata = pod.get("spec") or {}, pod["metadata"]
        own = (metadata.get("labels") or {}).get("app.kubernetes.io/instance") == case.release
        if spec.get("nodeName") != node or (own and metadata.get("namespace") == case.namespace):
            continue
        for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
            for port in host_ports(spec, container):
                yield port, f"{metadata.get('namespace', '')}/{metadata['name']}"


def _mtu(case: Case) -> Verdict:
    if not case.objects:
        return skipped(NO_RECIPE)
    users = rdma_pods(case)
    if not users:
        return skipped(NO_RDMA)
    sizes = {
        (node.identity, each.name): int(each.attributes[key])
        for node in card_hosts(case, users)
        for each in cards(case, node)
        for key in ("mtu", "dra.net/mtu")
        if each.attributes.get(key) is not None and each.attributes.get("encapsulation") != "infiniband"
    }
    if not sizes:
        return skipped("no driver publishes the MTU of RoCE cards")
    small = {card: size for card, size in sizes.items() if size < _ROCE_MTU}
    if small:
        smallest = min(small.values())
        return failed(
            f"{len(small)} of {len(sizes)} RoCE cards have an MTU below {_ROCE_MTU} (smallest {smallest}): RDMA packets"
            " become smaller than 4096 bytes, and transfers slower.",
            [
                Evidence(object=node, observed=f"{name}: MTU {size}", expected=f">= {_ROCE_MTU}")
                for (node, name), size in small.items()
            ][:5],
            "Raise the MTU of the network and of the cards, where switches allow it.",
        )
    return passed(f"All {len(sizes)} RoCE cards have an MTU of {_ROCE_MTU} or more.")


CHECKS: Final = (
    Check(
        code="LD0715",
        slug="side-channels",
        title="NetworkPolicies let the recipe's pods reach each other",
        severity=Severity.ERROR,
        rule=_side_channels,
        needs=("network-policies", "namespaces"),
        why="NIXL's handshake, events of the KV cache, the routing sidecar and the endpoint picker each use ports of"
        " their own. A policy that denies by default stops them, and requests fail only once they are disaggregated.",
        remedy="Allow the pods of the release to reach each other.",
        sources=(
            "https://kubernetes.io/docs/concepts/services-networking/network-policies/",
            "https://docs.vllm.ai/en/v0.23.0/features/nixl_connector_usage/",
        ),
    ),
    Check(
        code="LD0716",
        slug="host-ports",
        title="Ports of nodes that pods want are free",
        severity=Severity.ERROR,
        rule=_host_ports,
        needs=("nodes", "pods"),
        why="Two pods cannot have one port of a node: the second stays pending.",
        remedy="Use other ports, or other nodes.",
        sources=("https://kubernetes.io/docs/concepts/configuration/overview/",),
    ),
    Check(
        code="LD0717",
        slug="roce-mtu",
        title="RoCE cards have a large MTU",
        severity=Severity.NOTE,
        rule=_mtu,
        needs=("nodes", "resource-slices"),
        why="RoCE sends packets of 4096 bytes only where the Ethernet MTU leaves room for them and their headers.",
        remedy="Raise the MTU of the cards' network.",
        sources=(
            "https://enterprise-support.nvidia.com/s/article/mtu-considerations-for-roce-based-applications",
            "https://github.com/kubernetes-sigs/dranet",
        ),
    ),
)
