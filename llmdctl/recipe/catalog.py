"""Every path and facet there is, from the shipped folder and from folders of the user's own.

Names are known from the folders alone; a shipped file is read when it is asked for, and has been validated before it
was shipped. Files of the user's own folders are read and validated at once, so that every mistake shows together.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from llmdctl import assets
from llmdctl.errors import Problem, RecipeError
from llmdctl.model.document import Document
from llmdctl.model.selection import AXES, spoken
from llmdctl.recipe.evidence import Cell, cells_from
from llmdctl.recipe.facet import Facet, Malformed, WellLitPath, facet_from, path_from
from llmdctl.recipe.names import choices, nearest
from llmdctl.recipe.reader import read_again
from llmdctl.recipe.references import dangling
from llmdctl.recipe.versions import Versions, versions_from

_PLURALS: Final = {
    "flow_control": "flow-control",
    "metrics": "metrics",
    "prefix_index": "prefix-indexes",
    "scheduling": "scheduling",
}
FOLDERS: Final = {axis: _PLURALS.get(axis, axis.replace("_", "-") + "s") for axis in AXES}
"""Axis -> folder under facets/."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    """A file that exists and may not have been read yet."""

    file: Path
    shown: str
    schema: str  # path | facet | versions | evidence
    name: str  # what the file must call itself
    kind: str


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """Paths and facets by name. Make one with `Catalog.load`."""

    entries: Mapping[tuple[str, str], _Entry]  # (kind, name); kind is `path` or an axis
    versions: Versions
    cells: tuple[Cell, ...]
    _parsed: dict[tuple[str, str], Facet | WellLitPath] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def load(cls, roots: Sequence[Path]) -> Catalog:
        """The files under all `roots` together; a name that stands in two of them is an error.

        A root holds `<path>/recipe.yaml`, `facets/<kinds>/<name>.yaml`, `versions.yaml`, `evidence.yaml`, all
        optional. Raises RecipeError with every problem.
        """
        problems: list[Problem] = []
        entries: dict[tuple[str, str], _Entry] = {}
        single: dict[str, list[Document]] = {"versions": [], "evidence": []}
        own: list[tuple[str, str]] = []
        for resolved, root in {root.resolve(): root for root in roots}.items():
            shipped = resolved == assets.paths().resolve()
            for entry in _entries(root, assets.root() if shipped else None, problems):
                key = (entry.kind, entry.name)
                if entry.kind in single:
                    _read_into(single[entry.kind], entry, validate=not shipped, problems=problems)
                elif key in entries:
                    problems.append(_clash(entry, entries[key]))
                else:
                    entries[key] = entry
                    own += [] if shipped else [key]
        versions, cells = _shared(single, problems)
        catalog = cls(entries=entries, versions=versions, cells=cells)
        for key in own:
            problems += catalog._mistakes(key)
        for document in single["evidence"]:
            problems += dangling(document, catalog.names)
        if problems:
            raise RecipeError("The catalogue of paths and facets has mistakes.", problems=tuple(problems))
        return catalog

    @property
    def paths(self) -> tuple[WellLitPath, ...]:
        """Every well-lit path, by name."""
        return tuple(self.path(name) for name in self.names("path"))

    def names(self, kind: str) -> tuple[str, ...]:
        """The names of a kind (`path` or an axis), sorted."""
        return self._names.get(kind, ())

    @cached_property
    def _names(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for kind, name in self.entries:
            found.setdefault(kind, []).append(name)
        return {kind: tuple(sorted(names)) for kind, names in found.items()}

    def facets(self, kind: str) -> tuple[Facet, ...]:
        """Every facet of an axis, by name."""
        return tuple(self.facet(kind, name) for name in self.names(kind))

    def path(self, name: str) -> WellLitPath:
        """The path called `name`. Raises RecipeError with the nearest name."""
        found = self._file("path", name)
        assert isinstance(found, WellLitPath)
        return found

    def facet(self, kind: str, name: str) -> Facet:
        """The facet called `name` on the axis `kind`. Raises RecipeError with the nearest name."""
        found = self._file(kind, name)
        assert isinstance(found, Facet)
        return found

    def unknown(self, kind: str, name: str) -> Problem | None:
        """The mistake of naming something that does not exist; None when it exists."""
        if (kind, name) in self.entries:
            return None
        close = nearest(name, self.names(kind))
        what = "recipe" if kind == "path" else spoken(kind) + ("" if kind == "metrics" else " facet")
        return Problem(
            message=f"there is no {what} '{name}'.",
            suggestion=close,
            remedy=None if close else choices(self.names(kind)),
        )

    def problems(self) -> tuple[Problem, ...]:
        """Every mistake in every file of the catalogue, against the schemas too."""
        found: list[Problem] = []
        for key in self.entries:
            found += self._mistakes(key)
        return tuple(found)

    def _file(self, kind: str, name: str) -> Facet | WellLitPath:
        key = (kind, name)
        if key not in self._parsed:
            problem = self.unknown(kind, name)
            if problem:
                raise RecipeError(str(problem)[0].upper() + str(problem)[1:], problems=())
            self._parsed[key] = _parse(self.entries[key])
        return self._parsed[key]

    def _mistakes(self, key: tuple[str, str]) -> list[Problem]:
        entry = self.entries[key]
        try:
            document = read_again(entry.file, shown_as=entry.shown)
        except RecipeError as wrong:
            return list(wrong.problems)
        found = _invalid(document, entry) or list(dangling(document, self.names))
        if not found:
            try:
                self._parsed[key] = _typed(document, entry)
            except RecipeError as wrong:
                found = list(wrong.problems)
        return found


def _entries(root: Path, base: Path | None, problems: list[Problem]) -> list[_Entry]:
    """The files of a root; `base` is what messages name them by, None where they are named as the root is."""
    if not root.is_dir():
        problems.append(Problem(file=str(root), message="there is no such folder of paths and facets."))
        return []
    if base is not None:
        root = root.resolve()  # once, and not each of its files
    found = [
        _Entry(file=file, shown=_shown(file, base), schema="path", name=file.parent.name, kind="path")
        for file in sorted(root.glob("*/recipe.yaml"))
    ]
    for axis, folder in FOLDERS.items():
        found += [
            _Entry(file=file, shown=_shown(file, base), schema="facet", name=file.stem, kind=axis)
            for file in sorted(root.glob(f"facets/{folder}/*.yaml"))
        ]
    found += [
        _Entry(file=root / f"{name}.yaml", shown=_shown(root / f"{name}.yaml", base), schema=name, name=name, kind=name)
        for name in ("versions", "evidence")
        if (root / f"{name}.yaml").is_file()
    ]
    if not found:
        problems.append(
            Problem(
                file=str(root),
                message="the folder holds no paths and no facets.",
                remedy="They lie in <path>/recipe.yaml and facets/<kind>s/<name>.yaml.",
            )
        )
    problems += _strangers(root)
    return found


def _strangers(root: Path) -> list[Problem]:
    """Folders under facets/ that belong to no axis: what lies in them would never be found."""
    return [
        Problem(
            file=str(folder),
            message="no kind of facet has this folder.",
            suggestion=nearest(folder.name, FOLDERS.values()),
            remedy=None if nearest(folder.name, FOLDERS.values()) else choices(FOLDERS.values()),
        )
        for folder in sorted(root.glob("facets/*/"))
        if folder.name not in FOLDERS.values()
    ]


def _shown(file: Path, base: Path | None) -> str:
    return str(file.relative_to(base)) if base else os.fspath(file)


def _clash(entry: _Entry, first: _Entry) -> Problem:
    what = "path" if entry.kind == "path" else f"{entry.kind} facet"
    return Problem(
        file=entry.shown,
        line=1,
        message=f"the {what} '{entry.name}' stands here and in {first.shown}.",
        remedy="Give one of them another name.",
    )


def _read_into(documents: list[Document], entry: _Entry, *, validate: bool, problems: list[Problem]) -> None:
    try:
        document = read_again(entry.file, shown_as=entry.shown)
    except RecipeError as wrong:
        problems += wrong.problems
        return
    mistakes = _invalid(document, entry) if validate else []
    problems += mistakes
    if not mistakes:
        documents.append(document)


def _shared(single: Mapping[str, list[Document]], problems: list[Problem]) -> tuple[Versions, tuple[Cell, ...]]:
    try:
        return versions_from(single["versions"]), cells_from(single["evidence"])
    except RecipeError as wrong:
        problems += wrong.problems
    except (KeyError, TypeError, AttributeError):  # a shipped file that somebody is editing
        for name, documents in single.items():
            entry = _Entry(file=Path(), shown="", schema=name, name=name, kind=name)
            for document in documents:
                problems += _invalid(document, entry)
    return Versions(), ()


def _invalid(document: Document, entry: _Entry) -> list[Problem]:
    from llmdctl.recipe.schema import load, problems_of

    found = problems_of(document, load(assets.schemas() / f"{entry.schema}.schema.json"))
    for key, expected in (("kind", entry.kind), ("name", entry.name)):
        stated = document.value.get(key, expected)
        if entry.schema in ("path", "facet") and isinstance(stated, str) and stated != expected:
            place = "folder" if key == "kind" or entry.kind == "path" else "file"
            message = f"it calls itself '{stated}', but its {place} says '{expected}'."
            found.append(Problem(file=document.file, line=document.line((key,)), path=key, message=message))
    return found


def _parse(entry: _Entry) -> Facet | WellLitPath:
    return _typed(read_again(entry.file, shown_as=entry.shown), entry)


def _typed(document: Document, entry: _Entry) -> Facet | WellLitPath:
    try:
        parsed = path_from(document) if entry.kind == "path" else facet_from(document)
        if parsed.name == entry.name and (isinstance(parsed, WellLitPath) or parsed.kind == entry.kind):
            return parsed
    except Malformed:
        pass
    found = _invalid(document, entry) or [Problem(file=document.file, message="the file follows no schema.")]
    raise RecipeError(f"{document.file} cannot be used.", problems=tuple(found))
