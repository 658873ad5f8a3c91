"""A release as one release of each subchart: thousands of cells share many of them.

A subchart sees `global` and its own section alone, so each distinct pair of these is rendered once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
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
            yield Section(apart, (name, fingerprint(apart.values)))


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
