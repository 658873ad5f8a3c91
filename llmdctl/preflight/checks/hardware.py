"""What checks of hardware have in common: on whom they look, and what a finding against a node amounts to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Final

from llmdctl.preflight.candidates import (
    NO_RECIPE,
    SHOWN,
    Candidate,
    Server,
    accelerated,
    related,
    some,
    together,
)
from llmdctl.preflight.case import Case
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, warned

READS: Final = ("nodes", "resource-slices")
NVIDIA: Final = ("nvidia.com/gpu", "gpu.nvidia.com")
Judge = Callable[[Case, tuple[Server, ...]], Verdict]


def for_servers(judge: Judge) -> Callable[[Case], Verdict]:
    """The rule that judges the model servers of a recipe; skipped without any."""

    def rule(case: Case) -> Verdict:
        found = case.servers
        return judge(case, found) if found else skipped(NO_RECIPE)

    return rule


def for_accelerators(judge: Judge) -> Callable[[Case], Verdict]:
    """The rule that judges the model servers that want accelerators; skipped without any."""

    def rule(case: Case) -> Verdict:
        found = case.servers
        wanted = tuple(each for each in found if each.resource)
        if not wanted:
            return skipped("the recipe runs on CPUs" if found else NO_RECIPE)
        return judge(case, wanted)

    return rule


def concerns(case: Case, resources: Collection[str]) -> bool:
    """Whether the recipe asks for one of these; always without a recipe."""
    return not case.servers or any(each.resource in resources for each in case.servers)


def local(
    code: str, *remedy: str, good: str, of: Collection[str] = (), every_node: bool = False
) -> Callable[[Case], Verdict]:
    """The rule for one finding that a node alone shows (see nodelocal): a failure where no other node is left.

    It looks at the nodes with the recipe's accelerator, or at all with any; `every_node` looks at all of these always;
    `of` only at those with these resources, or with none at all. `good` says that there is no such finding.
    """

    def rule(case: Case) -> Verdict:
        nodes = accelerated(case) if every_node else related(case)
        if of:
            nodes = tuple(each for each in nodes if each.device.resource in ("", *of))
        if not nodes:
            return skipped("no node is concerned: none has the accelerator" if case.recipe else "no node is concerned")
        bad = [(each, case.against[each.node.name][code]) for each in nodes if code in case.against[each.node.name]]
        if not bad:
            return passed(f"{good} ({some(nodes)}).")
        return against(bad, len(nodes), *remedy)

    return rule


def against(bad: list[tuple[Candidate, str]], of: int, *remedy: str) -> Verdict:
    """A failure where it concerns every node, else a warning that some are not to be used."""
    make = failed if len(bad) == of else warned
    return make(f"{len(bad)} of {of} nodes: {bad[0][1]}.", (each.saw(reason) for each, reason in bad[:SHOWN]), *remedy)


def names(candidates: Iterable[Candidate]) -> str:
    """The first few nodes by name."""
    listed = [each.node.name for each in candidates]
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")


def suits(found: tuple[Server, ...], what: str) -> Verdict:
    """A pass for every candidate node; skipped where there is none."""
    nodes = together(each for server in found for each in server.usable)
    if not nodes:
        return skipped("no node is a candidate, see LD0601")
    return passed(f"{len(nodes)} candidate nodes ({names(nodes)}) suit: {what}.")
