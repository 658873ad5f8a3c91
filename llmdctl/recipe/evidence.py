"""paths/evidence.yaml: how well each cell is known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from llmdctl.merge import leaves
from llmdctl.model.document import Document, json_path
from llmdctl.model.recipe import Evidence


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What a cited run was: what ours must equal before its level is ours."""

    versions: Mapping[str, str]  # `engine`, an image or a prerequisite of versions.yaml -> version
    values: Mapping[str, Any]  # settings of the umbrella chart


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """What is known about every combination that `match` covers."""

    match: Mapping[str, tuple[str, ...]]  # `path` or an axis -> names
    evidence: Evidence
    run: Run | None = None

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
            run=_run(cell.get("run")),
        )
        for document in documents
        for cell in document.value.get("cells") or ()
    )


def _run(stated: Mapping[str, Any] | None) -> Run | None:
    if stated is None:
        return None
    return Run(versions=stated.get("versions") or {}, values=stated.get("values") or {})


def covering(cells: Iterable[Cell], chosen: Mapping[str, str]) -> Cell | None:
    """Of the cells that cover a combination, the one that names most axes; the first of equals."""
    best: Cell | None = None
    for cell in cells:
        for axis, names in cell.match.items():
            if chosen.get(axis) not in names:
                break
        else:
            if best is None or len(cell.match) > len(best.match):
                best = cell
    return best


def evidence_of(cells: Iterable[Cell], chosen: Mapping[str, str], defaults: Mapping[str, str]) -> Evidence:
    """What is known about a combination: of the cells that cover it, the one that names most axes.

    `chosen` maps `path` and every axis to a name, `defaults` the axes to the path's own choice. An axis on which the
    combination departs from the default, and of which the cell says nothing, weakens the claim: it is listed, and the
    level is at best `derived`. Nothing known is `derived` without a link.
    """
    cell = covering(cells, chosen)
    if cell is None:
        return Evidence(
            level="derived", reason="Composed of known parts; nobody has published a run of this combination."
        )
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


PROVEN: Final = ("nightly", "benchmarked")
"""Levels that are ours only where versions and settings equal those of the cited run."""


def compared(known: Evidence, run: Run | None, values: Mapping[str, Any], versions: Mapping[str, Any]) -> Evidence:
    """`known` of a composed cell: as it is where the cell equals the cited run, else `derived` with what differs.

    `values` are the composed ones, `versions` the set in use. Without a `run` nothing is compared, and nothing proven.
    """
    if known.level not in PROVEN:
        return known
    if run is None:
        return replace(known, level="derived", differences=(*known.differences, UNKNOWN_RUN))
    found = (*_other_versions(run, values, versions), *_other_values(run, values))
    return replace(known, level="derived", differences=(*known.differences, *found)) if found else known


UNKNOWN_RUN: Final = "versions and settings of the cited run are not recorded"


def _other_versions(run: Run, values: Mapping[str, Any], versions: Mapping[str, Any]) -> Iterator[str]:
    for name, theirs in run.versions.items():
        ours = _version(name, values, versions)
        if ours != str(theirs):
            yield f"{name} {ours or 'unknown'}, where the cited run has {theirs}"


def _version(name: str, values: Mapping[str, Any], versions: Mapping[str, Any]) -> str:
    if name == "engine":
        return str(_at(values, ("modelserver", "roleDefaults", "image", "tag")) or "").removeprefix("v")
    for group, key in (("images", ("default", "version")), ("prerequisites", ("version",))):
        found = _at(versions, (group, name, *key))
        if found:
            return str(found)
    return ""


def _other_values(run: Run, values: Mapping[str, Any]) -> Iterator[str]:
    for path, theirs in leaves(run.values):
        ours = _at(values, path)
        if ours != theirs:
            yield f"{json_path(path)} is {_shown(ours)}, where the cited run has {_shown(theirs)}"


def _at(values: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401  any JSON value
    for step in path:
        values = values.get(step) if isinstance(values, Mapping) else None
    return values


def _shown(value: object) -> str:
    return "not set" if value is None else json.dumps(value)
