"""The roles of a recipe on the accelerators of the nodes that may carry them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from llmdctl.memory import RoleLedger, role_ledger, serves_the_facet
from llmdctl.model.device import Device
from llmdctl.model.recipe import Recipe, RoleSpec
from llmdctl.preflight.candidates import Candidate, Server
from llmdctl.preflight.verdict import UnknowableError, Verdict, skipped

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case

NO_NODE: Final = "no node in service has the accelerators that these pods select (LD0601)"
_NO_CACHE: Final = ("encode",)
"""Roles that turn media into embeddings, and keep no KV cache."""


@dataclass(frozen=True, kw_only=True)
class RoleFit:
    """One role on every memory size that its candidates have."""

    role: RoleSpec
    server: Server
    ledgers: tuple[tuple[RoleLedger, tuple[Candidate, ...]], ...]  # from the smallest memory to the largest
    unknown: tuple[str, ...] = field(default=())  # nodes whose memory nobody knows

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The nodes of all ledgers."""
        return tuple(each for _, some in self.ledgers for each in some)

    @property
    def nominal(self) -> bool:
        """Whether some node does not say its memory, so that the catalogue's number stands for it."""
        return any(each.device.memory_mib is None for each in self.candidates)


def recipe_of(case: Case) -> Recipe | Verdict:
    """The recipe whose model is judged, or why it is none."""
    recipe = case.recipe
    if recipe is None:
        return skipped("no recipe was named")
    if not recipe.facts["accelerator"].get("resource"):
        return skipped("the model runs on processors, and its memory is the pod's")
    if not serves_the_facet(recipe.facts, recipe.values) or not recipe.facts["model"].get("weight_bytes"):
        return skipped("the served model is not the facet's (LD0901), so its sizes are not known")
    return recipe


def servers(case: Case, recipe: Recipe) -> Iterator[tuple[RoleSpec, Server]]:
    """Each role with its pods and their nodes; of a group of pods the first sort, for they ask alike.

    Raises UnknowableError where nodes or their ResourceSlices could not be read.
    """
    by_role: dict[str, Server] = {}
    for server in case.servers:
        by_role.setdefault(server.role, server)
    for role in recipe.roles:
        if role.name in by_role:
            yield role, by_role[role.name]


def fits(case: Case, recipe: Recipe) -> tuple[RoleFit, ...]:
    """Every role that keeps a KV cache. Raises UnknowableError where nodes cannot be judged."""
    return tuple(_fit(recipe, role, server) for role, server in servers(case, recipe) if role.name not in _NO_CACHE)


def known(found: tuple[RoleFit, ...]) -> tuple[RoleFit, ...]:
    """The roles that have a candidate. Raises UnknowableError where the memory of every candidate is unknown."""
    judged = tuple(each for each in found if each.ledgers)
    blind = [name for each in found for name in each.unknown]
    if not judged and blind:
        raise UnknowableError(f"nothing says how much memory the accelerators of {blind[0]} have")
    return judged


def _fit(recipe: Recipe, role: RoleSpec, server: Server) -> RoleFit:
    by_memory: dict[int, list[Candidate]] = {}
    unknown = []
    for candidate in server.usable:
        memory = candidate.device.memory_mib or _nominal(recipe, candidate.device)
        if memory:
            by_memory.setdefault(memory, []).append(candidate)
        else:
            unknown.append(candidate.node.name)
    ledgers = [
        (ledger, tuple(some))
        for memory, some in sorted(by_memory.items())
        if (ledger := role_ledger(role, recipe.facts, recipe.values, memory_mib=memory))
    ]
    return RoleFit(role=role, server=server, ledgers=tuple(ledgers), unknown=tuple(unknown))


def _nominal(recipe: Recipe, device: Device) -> int:
    """What the catalogue names, for an accelerator whose nodes do not say."""
    same = device.facet is not None and device.facet == recipe.facets.get("accelerator")
    return int(recipe.facts["accelerator"].get("memory_mib") or 0) if same else 0


def on_fitting_nodes(
    judge: Callable[[Case, Recipe, tuple[RoleFit, ...]], Verdict],
) -> Callable[[Case], Verdict]:
    """A rule that judges the roles on their candidates, and skips where there is no recipe or no node for them."""

    def rule(case: Case) -> Verdict:
        recipe = recipe_of(case)
        if isinstance(recipe, Verdict):
            return recipe
        judged = known(fits(case, recipe))
        return judge(case, recipe, judged) if judged else skipped(NO_NODE)

    return rule
