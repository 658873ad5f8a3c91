"""The files under paths/, read plainly: these tests judge the data, not the engine that composes it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from llmdctl import assets
from llmdctl.recipe import catalog

FOLDERS = {folder: axis for axis, folder in catalog.FOLDERS.items()}
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is some ten times faster where it is there


@cache
def read(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)


def facet_files() -> list[Path]:
    return sorted((assets.paths() / "facets").glob("*/*.yaml"))


def recipe_files() -> list[Path]:
    return sorted(assets.paths().glob("*/recipe.yaml"))


def facets(axis: str) -> dict[str, dict[str, Any]]:
    folder = next(folder for folder, name in FOLDERS.items() if name == axis)
    return {path.stem: read(path) for path in sorted((assets.paths() / "facets" / folder).glob("*.yaml"))}


def recipes() -> dict[str, dict[str, Any]]:
    return {path.parent.name: read(path) for path in recipe_files()}


def versions() -> dict[str, Any]:
    document = read(assets.paths() / "versions.yaml")
    chosen: dict[str, Any] = document["sets"][document["default"]]
    return chosen


def cells() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read(assets.paths() / "evidence.yaml")["cells"]
    return found


def leaves(value: object, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every leaf below a mapping with its key; a list is one leaf, as in composition."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, (*prefix, str(key)))
    else:
        yield prefix, value


def as_list(value: object) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


UNITS = {"": 1.0, "m": 1e-3, "Mi": 2.0**20, "Gi": 2.0**30}


def quantity(text: str) -> float:
    """A Kubernetes quantity in the few units that occur here."""
    match = re.fullmatch(r"(\d+)(m|Mi|Gi)?", text)
    assert match, text
    return int(match[1]) * UNITS[match[2] or ""]
