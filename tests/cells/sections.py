"""A release as one release of each subchart: thousands of cells share many of them.

A subchart sees `global` and its own section alone. Two cells whose section, and whose part of `global` that the chart's
templates can read at all, are equal, give equal objects, so each distinct section is rendered once.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from llmdctl import assets
from llmdctl.model.release import ReleaseSpec

UMBRELLA = assets.charts() / "llmd"


@dataclass(frozen=True)
class Section:
    """One subchart of a release; sections with one `key` render the same objects."""

    spec: ReleaseSpec
    key: tuple[str, bytes]


def fingerprint(value: Any) -> bytes:
    """Equal for equal JSON values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).digest()


def sections(spec: ReleaseSpec) -> Iterator[Section]:
    """The subcharts of a release that are on."""
    for name, on in enabled_by_default().items():
        values = spec.values.get(name) or {}
        if values.get("enabled", on):
            shared = spec.values.get("global") or {}
            apart = replace(spec, chart=assets.charts() / chart_of(name), values={**values, "global": shared})
            yield Section(apart, (name, fingerprint([values, read_part(chart_of(name), shared)])))


@cache
def enabled_by_default() -> Mapping[str, bool]:
    """Section of the umbrella's values -> whether its chart is on without being asked for."""
    values = yaml.safe_load((UMBRELLA / "values.yaml").read_text())
    return {name: part["enabled"] for name, part in values.items() if isinstance(part, dict) and "enabled" in part}


@cache
def chart_of(section: str) -> str:
    """The folder of the chart behind a section: its alias may differ from its name."""
    chart = yaml.safe_load((UMBRELLA / "Chart.yaml").read_text())
    return next(entry["name"] for entry in chart["dependencies"] if section in (entry.get("alias"), entry["name"]))


def read_part(chart: str, shared: Mapping[str, Any]) -> Any:
    """The part of `global` that a chart's templates can read: all of it, where they take a whole mapping."""
    read = read_keys(chart)
    if read is None:
        return shared
    part = {key: value for key, value in shared.items() if key != "llmd"}
    return {**part, "llmd": {key: value for key, value in (shared.get("llmd") or {}).items() if key in read}}


@cache
def read_keys(chart: str) -> frozenset[str] | None:
    """Keys of `global.llmd` that stand in a chart's templates or the library's; None when they may read any."""
    texts = [_code(file) for name in (chart, "llmd-library") for file in _templates(name)]
    found = [key for text in texts for key in re.findall(r"\bllmd\b\.?(\w*)", _without_names(text))]
    return frozenset(found) if "" not in found else None


def _templates(chart: str) -> list[Path]:
    return sorted((assets.charts() / chart / "templates").glob("**/*.*"))


def _code(file: Path) -> str:
    """The actions of a template, without comments and the text around them."""
    text = re.sub(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", "", file.read_text(), flags=re.DOTALL)
    return "\n".join(re.findall(r"\{\{.*?\}\}", text, flags=re.DOTALL))


def _without_names(code: str) -> str:
    """Code without its texts, among them the names of templates such as "llmd.roles"; `get $x "llmd"` keeps its key."""
    return re.sub(r'"llmd"|"[^"]*"', lambda found: "llmd" if found[0] == '"llmd"' else "", code)
