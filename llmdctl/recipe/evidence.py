"""paths/evidence.yaml: how well each cell is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from llmdctl.model.document import Document
from llmdctl.model.recipe import Evidence


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """What is known about every combination that `match` covers."""

    match: Mapping[str, tuple[str, ...]]  # `path` or an axis -> names
    evidence: Evidence

    def first(self) -> dict[str, str]:
        """The combination of the first name of each axis."""
        return {axis: names[0] for axis, names in self.match.items()}


def cells_from(documents: Iterable[Document]) -> tuple[Cell, ...]:
    """The cells of all files, in their order; the files follow schemas/evidence.schema.json."""
    return tuple(
        Cell(
            match={axis: (names,) if isinstance(names, str) else tuple(names) for axis, names in cell["match"].items()},
            evidence=Evidence(
                level=cell["level"],
                link=cell.get("link"),
                reason=cell.get("reason") or "",
                differences=tuple(cell.get("differences") or ()),
            ),
        )
        for document in documents
        for cell in document.value.get("cells") or ()
    )


def evidence_of(cells: Iterable[Cell], chosen: Mapping[str, str], defaults: Mapping[str, str]) -> Evidence:
    """What is known about a combination: of the cells that cover it, the one that names most axes.

    `chosen` maps `path` and every axis to a name, `defaults` the axes to the path's own choice. An axis on which the
    combination departs from the default, and of which the cell says nothing, weakens the claim: it is listed, and the
    level is at best `derived`. Nothing known is `derived` without a link.
    """
    covering = [cell for cell in cells if all(chosen.get(axis) in names for axis, names in cell.match.items())]
    if not covering:
        return Evidence(
            level="derived", reason="Composed of known parts; nobody has published a run of this combination."
        )
    cell = max(covering, key=lambda cell: len(cell.match))  # the first of equals
    beside = [
        f"{axis} {chosen[axis]}, where the cited one has {default}"
        for axis, default in defaults.items()
        if chosen[axis] != default and axis not in cell.match
    ]
    found = cell.evidence
    if not beside:
        return found
    level = found.level if found.level == "known-bad" else "derived"
    return Evidence(level=level, link=found.link, reason=found.reason, differences=(*found.differences, *beside))
