"""Does the model fit the accelerators that these nodes really have?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from llmdctl.memory import (
    DoesNotFit,
    RoleLedger,
    argument,
    dialect,
    share,
    smallest_tensor_parallelism,
)
from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.model.recipe import Recipe
from llmdctl.preflight.candidates import Candidate
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.fitting import RoleFit, on_fitting_nodes
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, warned

_GIB: Final = 2**30
_SHOWN: Final = 8
_USUAL_TOKENS: Final = 1366
"""Mean prompt and answer of a request in Azure's published trace of conversations of 2023 (1,155 and 211 tokens):
https://github.com/Azure/AzurePublicDataset"""

_LEDGER: Final = "https://github.com/llm-d-incubation/llm-d-planner/blob/main/docs/empirical-vllm-memory-results.md"


def _weights(_case: Case, recipe: Recipe, judged: tuple[RoleFit, ...]) -> Verdict:
    small = [(fit, ledger, some) for fit in judged for ledger, some in fit.ledgers if ledger.budget.kv <= 0]
    if small:
        return _too_small(recipe, small)
    tight = [(ledger, some) for fit in judged for ledger, some in fit.ledgers if ledger.budget.spare < 0]
    if tight:
        ledger, _ = tight[0]
        free = (ledger.budget.spare + ledger.budget.graphs) / _GIB
        return warned(
            f"{ledger.role.name}: {free:.1f} GiB of each accelerator stay free beside the engine's share, and CUDA"
            f" graphs take up to {ledger.budget.graphs / _GIB:.0f} GiB.",
            _evidence((ledger, some) for ledger, some in tight),
            f"Lower the engine's share: --role {ledger.role.name}.args.gpu-memory-utilization=0.9.",
        )
    shown = "; ".join(_share_of(fit.ledgers[0][0]) for fit in judged)
    nominal = ", by its nominal size" if any(fit.nominal for fit in judged) else ""
    return passed(f"Of each accelerator's memory{nominal}: {shown}.")


def _share_of(ledger: RoleLedger) -> str:
    budget = ledger.budget
    weights, cache, usable = (number / _GIB for number in (budget.weights, budget.kv, budget.usable))
    return f"{ledger.role.name} {weights:.1f} GiB for weights and {cache:.1f} GiB for the KV cache of {usable:.1f}"


def _too_small(recipe: Recipe, small: list[tuple[RoleFit, RoleLedger, tuple[Candidate, ...]]]) -> Verdict:
    fit, ledger, some = small[0]
    budget = ledger.budget
    needed = (budget.weights + budget.torch_peak + budget.other) / _GIB
    message = (
        f"{ledger.role.name}: weights and activations take {needed:.1f} GiB of each accelerator, and the engine may"
        f" take {(needed * _GIB + budget.kv) / _GIB:.1f} of {budget.usable / _GIB:.1f} GiB on"
        f" {len(some)} of {len(fit.candidates)} candidate nodes."
    )
    evidence = _evidence((ledger, some) for _, ledger, some in small)
    say = failed if len(some) == len(fit.candidates) else warned
    return say(message, evidence, _larger(recipe, ledger, some), "Or choose a model of fewer bits for each weight.")


def _larger(recipe: Recipe, ledger: RoleLedger, some: tuple[Candidate, ...]) -> str:
    """The tensor parallelism that would do on these nodes, if one does; more ranks where these share the experts."""
    role = ledger.role
    if role.data > 1 and ledger.model.experts:
        return f"Share the experts among more ranks: --role {role.name}.nodes={role.nodes * 2}."
    found = smallest_tensor_parallelism(
        ledger.model,
        memory_mib=ledger.memory_mib,
        count_per_node=max(each.device.count for each in some),
        utilisation=share(role.name, recipe.facts, recipe.values),
        engine=dialect(recipe.facts),
    )
    if isinstance(found, DoesNotFit):
        return f"Choose accelerators with more memory: {found.reason}"
    return f"Raise tensor parallelism: --role {role.name}.parallelism.tensor={found.tensor}."


def _one_request(_case: Case, recipe: Recipe, judged: tuple[RoleFit, ...]) -> Verdict:
    loaded = [(fit, ledger, some) for fit in judged for ledger, some in fit.ledgers if ledger.budget.kv > 0]
    if not loaded:
        return skipped("the weights do not fit (LD0902)")
    short = [(fit, ledger, some) for fit, ledger, some in loaded if ledger.budget.kv < ledger.sequence_bytes]
    if not short:
        least = min((ledger for _, ledger, _ in loaded), key=lambda each: each.kv_tokens / each.tokens)
        return passed(f"{least.role.name} holds {least.kv_tokens // least.tokens} requests of {least.tokens} tokens.")
    fit, ledger, some = short[0]
    fitting = ledger.kv_tokens // 1024 * 1024
    message = (
        f"{ledger.role.name}: {ledger.budget.kv / _GIB:.1f} GiB remain for the KV cache of each accelerator on"
        f" {len(some)} of {len(fit.candidates)} candidate nodes, and one request of {ledger.tokens} tokens takes"
        f" {ledger.sequence_bytes / _GIB:.1f} GiB."
    )
    say = failed if len(some) == len(fit.candidates) else warned
    return say(
        message,
        _evidence((ledger, some) for _, ledger, some in short),
        f"Lower the context: --role {ledger.role.name}.maxModelLen={fitting}."
        if fitting
        else "Raise tensor parallelism.",
        _larger(recipe, ledger, some),
    )


def _concurrency(case: Case, recipe: Recipe, judged: tuple[RoleFit, ...]) -> Verdict:
    """What a role is meant to run at once, against what its KV cache holds."""
    said, short = [], []
    for fit in judged:
        ledger, some = fit.ledgers[0]
        meant = argument(fit.role.name, recipe.values, ("max-num-seqs",)) or _threshold(case, fit)
        each = ledger.kv_tokens // meant if isinstance(meant, int) and meant > 0 else 0
        said.append(f"{fit.role.name} {ledger.kv_tokens} tokens" + (f", {meant} requests of {each}" if each else ""))
        if meant and each < min(_USUAL_TOKENS, ledger.tokens):
            short.append((ledger, some, meant, each))
    if not short:
        return passed(f"KV cache of one engine: {'; '.join(said)}.")
    ledger, some, meant, each = short[0]
    return warned(
        f"{ledger.role.name} is to run {meant} requests at once, and its KV cache leaves {each} tokens for each; a"
        f" request of a public trace has {_USUAL_TOKENS} on average, so requests are put off and computed again.",
        _evidence([(ledger, some)]),
        f"Run about {max(1, ledger.kv_tokens // _USUAL_TOKENS)} at once, or raise tensor parallelism.",
    )


def _threshold(case: Case, fit: RoleFit) -> int:
    """Running requests of one replica at which the scaler asks for another one; 0 where it does not ask by them."""
    name = fit.server.template.workload["metadata"]["name"]
    for obj in case.rendered("ScaledObject"):
        spec = obj.get("spec") or {}
        if (spec.get("scaleTargetRef") or {}).get("name") == name:
            rows = (row for row in spec.get("triggers") or () if row.get("name") == "running")
            stated = next((row["metadata"].get("threshold") for row in rows), 0)
            return int(float(stated or 0)) // max(1, fit.role.data)
    return 0


def _evidence(found: Iterable[tuple[RoleLedger, tuple[Candidate, ...]]]) -> tuple[Evidence, ...]:
    """The first nodes of each ledger, with its numbers."""
    rows = [
        Evidence(
            object=each.node.identity,
            observed=f"{each.device.product or each.device.facet or each.device.resource}:"
            f" {ledger.budget.usable / _GIB:.1f} GiB usable, weights {ledger.budget.weights / _GIB:.1f},"
            f" KV cache {ledger.budget.kv / _GIB:.1f}",
            expected=f"{ledger.role.name}: {ledger.sequence_bytes / _GIB:.1f} GiB for one request",
        )
        for ledger, some in found
        for each in some
    ]
    return tuple(rows[:_SHOWN])


CHECKS: Final = (
    Check(
        code="LD0902",
        slug="weights-fit",
        title="Weights fit the accelerators",
        severity=Severity.ERROR,
        rule=on_fitting_nodes(_weights),
        needs=("nodes", "resource-slices"),
        why="Weights, activations and the context of the device must leave something of the engine's share of memory;"
        " with nothing left the engine ends at start.",
        remedy="Raise tensor parallelism, or choose larger accelerators or fewer bits for each weight.",
        sources=(_LEDGER, "https://docs.vllm.ai/en/stable/configuration/conserving_memory/"),
    ),
    Check(
        code="LD0903",
        slug="one-request-fits",
        title="One request of the longest context fits",
        severity=Severity.ERROR,
        rule=on_fitting_nodes(_one_request),
        needs=("nodes", "resource-slices"),
        why="An engine whose KV cache cannot hold one request of the longest context ends at start (vLLM: 'larger than"
        " the maximum number of tokens that can be stored in KV cache').",
        remedy="Lower maxModelLen, or raise tensor parallelism.",
        sources=("https://docs.vllm.ai/en/stable/configuration/conserving_memory/", _LEDGER),
    ),
    Check(
        code="LD0904",
        slug="concurrency",
        title="The KV cache holds the requests that run at once",
        severity=Severity.WARNING,
        rule=on_fitting_nodes(_concurrency),
        needs=("nodes", "resource-slices"),
        why="Requests beyond what the KV cache holds are preempted, and computed again later.",
        remedy="Let fewer requests run at once, or give the KV cache more memory.",
        sources=("https://docs.vllm.ai/en/stable/configuration/optimization/#preemption",),
    ),
)
