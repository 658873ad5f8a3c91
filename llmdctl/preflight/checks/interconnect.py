"""Do the nodes have the RDMA cards that the recipe asks for, under that name and in that number?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.interconnect import asked, cards, disaggregated, hosts, multi_node, wants_rdma
from llmdctl.preflight.node import Node
from llmdctl.preflight.phrases import listed
from llmdctl.preflight.rdma import EFA, meaning, offered
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, warned
from llmdctl.preflight.workload import PodTemplate

NO_RECIPE: Final = "no recipe was named"
NO_RDMA: Final = "no pod of the recipe asks for RDMA cards"
NO_HOST: Final = "no node has the accelerator that the pods ask for"


def servers(case: Case) -> tuple[PodTemplate, ...]:
    """The pods that serve a model."""
    return tuple(template for template in case.workloads if template.is_model_server)


def rdma_pods(case: Case) -> tuple[PodTemplate, ...]:
    """The pods that ask for RDMA cards in some way."""
    return tuple(template for template in case.workloads if wants_rdma(case, template))


def all_hosts(case: Case, templates: Iterable[PodTemplate]) -> tuple[Node, ...]:
    """Every node that one of some pods may go to, each once."""
    return tuple({node.name: node for template in templates for node in hosts(case, template)}.values())


def card_hosts(case: Case, templates: Iterable[PodTemplate]) -> tuple[Node, ...]:
    """As `all_hosts`, and of each pod's nodes those that offer the RDMA resources it asks for, where some do."""
    found: dict[str, Node] = {}
    for template in templates:
        nodes, wanted = hosts(case, template), asked(template)
        offering = [node for node in nodes if all(node.allocatable.get(name) for name in wanted)]
        found |= {node.name: node for node in offering or nodes}
    return tuple(found.values())


def seen(nodes: Iterable[Node], observed: Mapping[str, str], expected: str = "") -> list[Evidence]:
    """One row a node."""
    return [Evidence(object=node.identity, observed=observed.get(node.name, ""), expected=expected) for node in nodes]


def _present(case: Case) -> Verdict:
    reason = _unconcerned(case)
    if reason:
        return skipped(reason)
    spanning = [template for template in servers(case) if multi_node(template)]
    candidates = all_hosts(case, servers(case))
    if not candidates:
        return skipped(NO_HOST)
    having = [node for node in candidates if offered(node) or cards(case, node)]
    counted = f"{len(having)} of {len(candidates)} candidate nodes offer RDMA cards"
    if having:
        return _unused(case, having, counted)
    return _lacking(case, candidates, counted, spanning)


def _unconcerned(case: Case) -> str:
    """Why the recipe needs no RDMA cards at all; empty where it may."""
    if not case.objects:
        return NO_RECIPE
    if any(template.requests.get("google.com/tpu") for template in servers(case)):
        return "TPU chips have links of their own, and no RDMA cards"
    if any(case.rendered("ComputeDomain")):
        return "the nodes of a replica are linked by NVLink, which LD06 judges"
    if disaggregated(case) or rdma_pods(case) or any(multi_node(template) for template in servers(case)):
        return ""
    return "a pod is a whole replica, and no role hands its KV cache to another"


def _unused(case: Case, having: list[Node], counted: str) -> Verdict:
    if rdma_pods(case) or any(template.spec.get("resourceClaims") for template in servers(case)):
        return passed(f"{counted}.")
    kinds = sorted({name for node in having for name in (*offered(node), *(each.driver for each in cards(case, node)))})
    return warned(
        f"{counted} ({listed(kinds)}), and the recipe asks for none: what goes between pods goes over TCP.",
        seen(having[:3], {node.name: ", ".join(offered(node)) for node in having}),
        "Choose the fabric of these cards with --fabric.",
    )


def _lacking(case: Case, candidates: tuple[Node, ...], counted: str, spanning: list[PodTemplate]) -> Verdict:
    evidence = seen(candidates[:5], {}, "an RDMA resource, or RDMA cards in a ResourceSlice")
    remedy = "Install the device plugin or DRA driver of the cards, or take nodes that have some."
    if any(asked(template) for template in case.workloads) or spanning:
        why = "every step of the model crosses the network" if spanning else "pods that ask for one stay pending"
        return failed(f"{counted}, and {why}.", evidence, remedy, "Without RDMA take --fabric none, for trying out.")
    return warned(
        f"{counted}: the KV cache goes over TCP, and the first token waits for it.", evidence, remedy,
    )  # fmt: skip


def _amounts(case: Case) -> Verdict:
    if not case.objects:
        return skipped(NO_RECIPE)
    wanted = [(each, name, number) for each in case.workloads for name, number in asked(each).items()]
    if not wanted:
        return skipped("no pod of the recipe asks for an extended resource of RDMA cards")
    bad, doubtful = [], []
    for template, name, number in wanted:
        nodes = [node for node in hosts(case, template) if node.allocatable.get(name)]
        kind = meaning(name)
        if not nodes or kind is None:
            continue  # LD0703 says so
        most = max(node.allocatable[name] for node in nodes)
        left = max(case.free[node.name].get(name, 0) for node in nodes)
        row = f"{name}: {number}"
        if number > most or number > left:
            free = f"at most {most} on a node, {left} free"
            bad.append(Evidence(object=template.identity, observed=row, expected=free))
        elif kind.shared and number > 1:
            doubtful.append(Evidence(object=template.identity, observed=row, expected="1: it counts pods, not cards"))
    if bad:
        return failed(
            f"No node can give a pod of {_owners(bad)} the cards that it asks for: {bad[0].observed},"
            f" {bad[0].expected}.",
            bad + doubtful,
            "Ask for no more than a node has, or stop what holds them.",
        )
    if doubtful:
        return warned(
            f"{doubtful[0].observed}, but one gives a pod all cards of its node; more only takes places from others.",
            doubtful,
            "Ask for 1: modelserver.roleDefaults.fabric.resources.",
        )
    return passed("Pods ask for RDMA resources in numbers that a node can give.")


def _owners(rows: list[Evidence]) -> str:
    return listed(dict.fromkeys(row.object for row in rows))


def _names(case: Case) -> Verdict:
    if not case.objects:
        return skipped(NO_RECIPE)
    wanted = {name: template for template in case.workloads for name in asked(template)}
    if not wanted:
        return skipped("no pod of the recipe asks for an extended resource of RDMA cards")
    problems, counts = [], []
    for name, template in wanted.items():
        nodes = hosts(case, template)
        if not nodes:
            return skipped(NO_HOST)
        having = [node for node in nodes if node.allocatable.get(name)]
        counts.append(f"{len(having)} of {len(nodes)} candidate nodes offer {name}")
        if not having:
            problems.append((counts[-1], nodes))
    if not problems:
        return passed("; ".join(counts) + ".")
    nodes = problems[0][1]
    others = sorted({name for node in nodes for name in offered(node)})
    return failed(
        "; ".join(counted for counted, _ in problems) + f"; {_instead(next(iter(wanted)), others)}.",
        seen(
            nodes[:5], {node.name: ", ".join(offered(node)) or "no RDMA resource" for node in nodes}, ", ".join(wanted)
        ),
        *_renaming(others),
    )


def _instead(name: str, others: list[str]) -> str:
    if not others:
        return "they offer no other RDMA resource either"
    nearest = get_close_matches(name, others, n=1, cutoff=0.4)
    return f"they offer {nearest[0]}" if nearest else f"they offer {listed(others)}"


def _renaming(others: list[str]) -> tuple[str, ...]:
    if not others:
        return ("Install the device plugin that offers it, or choose the fabric of these nodes with --fabric.",)
    meant = meaning(others[0])
    number = "1" if meant is None or meant.shared else "the number of cards"
    return (
        "Choose the fabric of these nodes with --fabric, or ask for what they offer:"
        f" --set 'modelserver.roleDefaults.fabric.resources.{_escaped(others[0])}={number}'.",
    )


def _escaped(name: str) -> str:
    return name.replace(".", r"\.")


def _efa_backend(case: Case) -> Verdict:
    users = [template for template in servers(case) if asked(template).get(EFA)]
    if not case.objects:
        return skipped(NO_RECIPE)
    if not users:
        return skipped(f"no pod asks for {EFA}")
    slow = [
        Evidence(object=template.identity, observed=said, expected="backends: [LIBFABRIC]")
        for template in users
        for said in _nixl_without_libfabric(template)
    ]
    if slow:
        return failed(
            f"{_owners(slow)}: NIXL sends the KV cache by UCX, which does not use EFA's own transport.",
            slow,
            "State backends: [LIBFABRIC] under kv_connector_extra_config of the NIXL connector, and take an image with"
            " libfabric; --fabric efa does both.",
        )
    return passed("Where NIXL moves the KV cache over EFA, it does so by libfabric.")


def _nixl_without_libfabric(template: PodTemplate) -> Iterator[str]:
    """What shows that a container's NIXL uses UCX, its default."""
    for container in template.containers:
        arguments = [str(each) for each in (*(container.get("command") or ()), *(container.get("args") or ()))]
        env = {str(row.get("name")): row.get("value") for row in container.get("env") or ()}
        for connector in _connectors(" ".join(arguments)):
            backends = (connector.get("kv_connector_extra_config") or {}).get("backends") or ["UCX"]
            if not {"LIBFABRIC", "UCCL"} & {str(each).upper() for each in backends}:
                yield f"kv-transfer-config with backends {', '.join(map(str, backends))}"
        if "--disaggregation-transfer-backend=nixl" in arguments:
            stated = env.get("SGLANG_DISAGGREGATION_NIXL_BACKEND") or "UCX"
            if stated.upper() != "LIBFABRIC":
                yield f"SGLANG_DISAGGREGATION_NIXL_BACKEND is {stated}"


def _connectors(arguments: str) -> Iterator[Mapping[str, Any]]:
    """Every NixlConnector of a --kv-transfer-config, also inside a MultiConnector."""
    for found in re.finditer(r"--kv-transfer-config[= ]'?", arguments):
        try:
            stated, _ = json.JSONDecoder().raw_decode(arguments[found.end() :])
        except ValueError:
            continue  # the linter reads it (LD17)
        if not isinstance(stated, Mapping):
            continue
        inner = (stated.get("kv_connector_extra_config") or {}).get("connectors") or ()
        yield from (each for each in (stated, *inner) if each.get("kv_connector") == "NixlConnector")


CHECKS: Final = (
    Check(
        code="LD0701",
        slug="rdma-present",
        title="Nodes have RDMA cards where pods need each other",
        severity=Severity.ERROR,
        rule=_present,
        needs=("nodes", "resource-slices"),
        why="Disaggregated roles hand the KV cache of every prompt from node to node, and wide expert parallelism"
        " crosses the network in every layer. Without RDMA this goes over TCP: slower by orders of magnitude.",
        remedy="Take nodes with RDMA cards and install what offers them: a device plugin or a DRA driver.",
        sources=(
            "https://github.com/llm-d/llm-d/blob/main/docs/infrastructure/rdma/README.md",
            "https://github.com/ai-dynamo/dynamo/pull/1314",
        ),
    ),
    Check(
        code="LD0702",
        slug="rdma-amount",
        title="Pods ask for RDMA resources in the right number",
        severity=Severity.ERROR,
        rule=_amounts,
        needs=("nodes", "pods", "resource-slices"),
        why="Of a shared resource such as rdma/ib, one gives a pod the device files of all cards, and the node's number"
        " counts pods; of an exclusive one such as vpc.amazonaws.com/efa, one is one card.",
        remedy="Ask for 1 of a shared resource, and for no more cards than a node has of an exclusive one.",
        sources=(
            "https://github.com/llm-d/llm-d/blob/main/docs/infrastructure/providers/aks/README.md",
            "https://github.com/Mellanox/k8s-rdma-shared-dev-plugin",
            "https://docs.aws.amazon.com/eks/latest/userguide/node-efa.html",
        ),
    ),
    Check(
        code="LD0703",
        slug="rdma-name",
        title="Nodes offer the RDMA resource under the name that pods ask for",
        severity=Severity.ERROR,
        rule=_names,
        needs=("nodes", "resource-slices"),
        why="Every platform names its RDMA resource differently. A pod that asks for a name that no node offers stays"
        " pending for ever.",
        remedy="Choose the fabric of the platform, or set the name that the nodes offer.",
        sources=("https://github.com/llm-d/llm-d-benchmark/blob/main/docs/standup.md",),
    ),
    Check(
        code="LD0704",
        slug="efa-backend",
        title="Over EFA the KV cache goes by libfabric",
        severity=Severity.WARNING,
        rule=_efa_backend,
        why="NIXL's default, UCX, does not drive EFA at its speed; its backend LIBFABRIC does.",
        remedy="State backends: [LIBFABRIC] and take an image that has libfabric.",
        sources=(
            "https://github.com/vllm-project/vllm/issues/27055",
            "https://github.com/llm-d/llm-d/issues/522",
        ),
    ),
)
