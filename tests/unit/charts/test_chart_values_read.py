"""Every value is read by a template, and every value that a template reads is in values.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests import documents
from tests.unit.charts.cases import CHARTS, PARTS

READ = re.compile(r"(?:\$|\s|\(|^)\.?(?:ctx\.)?Values((?:\.[A-Za-z][A-Za-z0-9]*)+)", re.MULTILINE)


def _values(chart: str) -> dict[str, Any]:
    loaded = documents.load((CHARTS / chart / "values.yaml").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def _templates(*charts: str) -> str:
    files = [path for chart in charts for path in (CHARTS / chart / "templates").rglob("*") if path.is_file()]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    return re.sub(r"(?s)\{\{-? ?/\*.*?\*/ ?-?\}\}", "", text)


def _keys(values: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Keys that a chart names itself: below a map of Kubernetes' or a user's names, nothing is."""
    for name, value in values.items():
        yield (*prefix, name)
        if isinstance(value, Mapping) and re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", name) and name not in PASSED_ON:
            yield from _keys(value, (*prefix, name))


PASSED_ON = {
    "resources", "flags", "securityContext", "podSecurityContext", "args", "env", "behavior", "labels",
    "prometheusPodLabels", "requests", "limits", "annotations", "global", "config", "kvEvents",
}  # fmt: skip


@pytest.mark.parametrize("chart", PARTS)
def test_every_value_is_read(chart) -> None:
    text = _templates(chart, "llmd-library")
    dead = [
        ".".join(path)
        for path in _keys(_values(chart))
        if path[0] != "global" and not re.search(rf"\b{path[-1]}\b", text)
    ]
    assert not dead


@pytest.mark.parametrize("chart", PARTS)
def test_every_value_that_is_read_exists(chart) -> None:
    values = _values(chart)
    unknown = []
    for dotted in {match.group(1) for match in READ.finditer(_templates(chart))}:
        node: Any = values
        for name in dotted.strip(".").split("."):
            if not isinstance(node, Mapping) or not node:
                break
            if name not in node:
                unknown.append(dotted)
                break
            node = node[name]
    assert not unknown
