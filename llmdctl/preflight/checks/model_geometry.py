"""Can the model be cut as the recipe cuts it, on these nodes, and do both sides of a pair cut alike?"""

from __future__ import annotations

from typing import Final

from llmdctl.memory import ModelFacts, argument, cut_blocks, undivided_heads, whole_experts
from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.model.recipe import Recipe, RoleSpec
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.fitting import NO_NODE, recipe_of, servers
from llmdctl.preflight.linted import linted
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, warned

_NIXL: Final = "https://docs.vllm.ai/en/stable/features/nixl_connector_compatibility/"
_DEEP_EP: Final = "https://github.com/deepseek-ai/DeepEP/blob/main/csrc/deep_ep.cpp"
_SHOWN: Final = 8


def _parallelism(case: Case) -> Verdict:
    """Accelerators of a pod against those of the nodes that may take it; heads were judged when it was composed."""
    recipe = recipe_of(case)
    if isinstance(recipe, Verdict):
        return recipe
    sizes = []
    for role, server in servers(case, recipe):
        some = server.usable
        if not some:
            continue
        needed, most = server.count, max(each.device.count for each in some)
        sizes.append((role, needed, most))
        if needed > most:
            seen = [Evidence(object=each.node.identity, observed=f"{each.device.count} accelerators") for each in some]
            return failed(
                f"A pod of {role.name} takes {needed} accelerators, and the largest of {len(some)} candidate nodes"
                f" has {most}.",
                seen[:_SHOWN],
                _smaller(recipe, role, most),
            )
    if not sizes:
        return skipped(NO_NODE)
    shown = "; ".join(f"{role.name} {needed} of {most} on a node" for role, needed, most in sizes)
    return passed(f"Accelerators of a pod: {shown}.")


def _smaller(recipe: Recipe, role: RoleSpec, most: int) -> str:
    """The cuts that the model allows on a node of `most` accelerators."""
    model = ModelFacts.from_facts(recipe.facts["model"])
    whole = whole_experts(role.name, recipe.values)
    valid = [
        str(size)
        for size in range(1, most + 1)
        if undivided_heads(model, tensor=size) is None and cut_blocks(model, tensor=size, whole_experts=whole) is None
    ]
    if role.nodes > 1 or role.data > 1:
        return f"Spread a replica over more pods: --role {role.name}.nodes={-(-role.accelerators_per_replica // most)}."
    if not valid:
        return "Choose nodes with more accelerators."
    return f"Take --role {role.name}.parallelism.tensor={valid[-1]}; this model can be cut by {', '.join(valid)} here."


def _experts(case: Case) -> Verdict:
    """Ranks of expert parallelism share the experts."""
    recipe = recipe_of(case)
    if isinstance(recipe, Verdict):
        return recipe
    model = ModelFacts.from_facts(recipe.facts["model"])
    roles = [role for role in recipe.roles if whole_experts(role.name, recipe.values)]
    if model.experts is None or not roles:
        return skipped("no role keeps its experts whole (expert parallelism)")
    for role in roles:
        ranks = role.tensor * role.data
        copies = argument(role.name, recipe.values, ("num-redundant-experts", "ep-num-redundant-experts"))
        experts = model.experts.count + (copies if isinstance(copies, int) else 0)
        if experts % ranks == 0:
            continue
        exchange = str(argument(role.name, recipe.values, ("all2all-backend", "moe-a2a-backend")) or "")
        strict = exchange.startswith("deepep") or ranks > experts
        seen = [
            Evidence(object=f"role {role.name}", observed=f"{experts} experts, {ranks} ranks ({exchange or 'none'})")
        ]
        fitting = ", ".join(str(each) for each in range(1, experts + 1) if experts % each == 0 and each <= 2 * ranks)
        message = f"{role.name}: {experts} experts over {ranks} ranks do not come out even"
        say = failed if strict else warned
        tail = ", and DeepEP refuses that." if strict else ": some ranks hold one more, and all wait for them."
        return say(message + tail, seen, f"Take tensor x data ranks of {fitting}.")
    shown = "; ".join(f"{role.name} {role.tensor * role.data} ranks" for role in roles)
    return passed(f"{model.experts.count} experts are shared evenly: {shown}.")


def _no_pair(case: Case) -> str:
    roles = {role.name for role in case.recipe.roles} if case.recipe else {"prefill", "decode"}
    return "" if {"prefill", "decode"} <= roles else "prefill and decode are not apart"


CHECKS: Final = (
    Check(
        code="LD0905",
        slug="parallelism-on-a-node",
        title="The accelerators of a pod are on one node",
        severity=Severity.ERROR,
        rule=_parallelism,
        needs=("nodes", "resource-slices"),
        why="A pod runs on one node, and tensor parallelism must divide the model's heads; a node may have fewer"
        " accelerators than the catalogue's usual one.",
        remedy="Lower tensor parallelism to a number that divides the heads, or spread a replica over several pods.",
        sources=("https://docs.vllm.ai/en/stable/serving/parallelism_scaling/",),
    ),
    Check(
        code="LD0908",
        slug="experts-over-ranks",
        title="Experts are shared evenly among the ranks",
        severity=Severity.ERROR,
        rule=_experts,
        why="DeepEP asserts that the number of experts is a multiple of the number of ranks; elsewhere the ranks with"
        " more experts hold up all others.",
        remedy="Choose tensor x data so that it divides the experts, redundant ones included.",
        sources=(_DEEP_EP, "https://docs.vllm.ai/en/stable/serving/expert_parallel_deployment/"),
    ),
    Check(
        code="LD0909",
        slug="sides-of-a-pair",
        title="Prefill and decode understand each other",
        severity=Severity.ERROR,
        rule=linted(
            *("LD1950", "LD1951", "LD1952", "LD1953", "LD1955", "LD1956", "LD1957", "LD1958", "LD1959"),
            good="Connector, block size, cache type and engine of both sides agree.",
            concerned=_no_pair,
        ),
        why="The handshake of the KV cache's transfer compares connector, block size, cache type and engine version.",
        remedy="State these for both roles at once.",
        sources=(_NIXL,),
    ),
    Check(
        code="LD0912",
        slug="shared-memory",
        title="Ranks of one pod have shared memory",
        severity=Severity.WARNING,
        rule=linted("LD1963", "LD1964", good="/dev/shm of every pod has a size, within the pod's memory."),
        why="Ranks of one pod talk through /dev/shm, which is 64 MiB unless a volume in memory lies there; what is"
        " written to it counts as the pod's memory.",
        remedy="Leave shmBytes to the chart, or keep it within the memory limit.",
        sources=(
            "https://docs.vllm.ai/en/stable/deployment/k8s/",
            "https://kubernetes.io/docs/concepts/storage/volumes/#emptydir",
        ),
    ),
)
