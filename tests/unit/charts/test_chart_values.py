"""values.yaml, schema and templates of a chart agree: no dead key, no key that is read and not documented."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests import documents
from tests.unit.charts.cases import CHARTS, PARTS

sys.path.insert(0, str(CHARTS.parent / "tools" / "charts"))
import schema
import values

every_part = pytest.mark.parametrize("chart", PARTS)


def _templates(chart: str) -> str:
    """Everything that may read a chart's values: its own templates, the library's, and the umbrella's checks."""
    folders = (CHARTS / chart, CHARTS / "llmd-library", CHARTS / "llmd")
    return "\n".join(path.read_text("utf-8") for folder in folders for path in sorted((folder / "templates").iterdir()))


@every_part
def test_every_value_is_read(chart) -> None:
    text = _templates(chart)
    entries = [e for e in values.walk(values.read(CHARTS / chart / "values.yaml")) if e.path[0] != "global"]
    unread = [e.dotted for e in entries if not re.search(rf"\b{re.escape(e.path[-1])}\b", text)]
    # Names of a map that is read as a whole (labels, behavior, …) stand below a key with a type of its own.
    typed = tuple(f"{e.dotted}." for e in entries if {"ref", "mapOf"} & set(e.annotation))
    assert [key for key in unread if not key.startswith(typed or ("\0",))] == []


@every_part
def test_every_value_read_is_documented(chart) -> None:
    documented = {entry.dotted for entry in values.walk(values.read(CHARTS / chart / "values.yaml"))}
    files = sorted((CHARTS / chart / "templates").iterdir())
    read = {found for path in files for found in re.findall(r"\.Values\.([A-Za-z.]*[A-Za-z])", path.read_text("utf-8"))}
    assert {key for key in read if key not in documented} == set()


@every_part
def test_schema_has_the_keys_of_the_values(chart) -> None:
    folder = CHARTS / chart
    document = json.loads((folder / "values.schema.json").read_text("utf-8"))
    defaults = documents.load((folder / "values.yaml").read_text("utf-8"))
    assert set(_keys(document, document, defaults)) == set(_leaves(defaults))
    assert set(document["properties"]) - set(defaults) == {"llmd-library"}


def _leaves(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in mapping.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")


def _keys(document: Mapping[str, Any], node: Mapping[str, Any], default: Any, prefix: str = "") -> Iterator[str]:
    """The keys of the schema where it closes an object; those of the default where users choose the names."""
    if reference := node.get("$ref"):
        node = document["definitions"][reference.rsplit("/", 1)[1]]
    closed = node.get("additionalProperties") is False
    for key in node.get("properties", {}) if closed else default or {}:
        if not prefix and key == "llmd-library":
            continue
        inside = default.get(key) if isinstance(default, Mapping) else None
        if closed and inside is None and not (isinstance(default, Mapping) and key in default):
            continue  # a name that may be given, such as a role
        yield f"{prefix}{key}"
        if isinstance(inside, Mapping):
            below = node.get("properties", {}).get(key, {})
            yield from _keys(document, below, inside, f"{prefix}{key}.")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1", {"a": {"type": "integer"}}),
        ("a: 0.5", {"a": {"type": "number"}}),
        ("a: true", {"a": {"type": "boolean"}}),
        ("a: x", {"a": {"type": "string"}}),
        ('a: ""', {"a": {"type": ["string", "null"]}}),
        ("a: [x]", {"a": {"type": ["array", "null"], "items": {"type": "string"}}}),
        ("# @schema {minimum: 3}\na: 5", {"a": {"type": "integer", "minimum": 3}}),
        ('# @schema {enum: ["", b]}\na: ""', {"a": {"type": ["string", "null"], "enum": ["", "b", None]}}),
        ("# @schema {ref: env}\na: {}", {"a": {"$ref": "#/definitions/env"}}),
        (
            "# @schema {mapOf: toleration, keys: [x]}\na: {}",
            {
                "a": {
                    "type": ["object", "null"],
                    "additionalProperties": False,
                    "properties": {"x": {"anyOf": [{"$ref": "#/definitions/toleration"}, {"type": "null"}]}},
                }
            },
        ),
        (
            "a:\n  b: 1\n  # @schema {optional: true}\n  c: 2",
            {
                "a": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"b": {"type": "integer"}, "c": {"type": ["integer", "null"]}},
                    "required": ["b"],
                }
            },
        ),
    ],
)
def test_schema_follows_from_default_and_comment(tmp_path, text, expected) -> None:
    assert _generate(tmp_path, text)["properties"] == expected


def test_overrides_may_hold_any_part_and_nothing_else(tmp_path) -> None:
    text = "base: {size: 1, name: x}\n# @schema {overrides: base, keys: [left]}\nroles: {}"
    generated = _generate(tmp_path, text)
    assert generated["properties"]["roles"]["properties"] == {"left": {"$ref": "#/definitions/partOf-base"}}
    part = generated["definitions"]["partOf-base"]
    assert part["additionalProperties"] is False
    assert "required" not in part


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {}", "line 1: a: its default {} says no type; add @schema"),
        ("# @schema {ref: nothing}\na: {}", "no definition 'nothing'"),
        ("# @schema word\na: 1", "@schema takes a mapping"),
        ("- a", "no mapping"),
    ],
)
def test_a_default_without_type_is_refused(tmp_path, text, message) -> None:
    with pytest.raises(values.ValuesError, match=re.escape(message)):
        _generate(tmp_path, text)


def _generate(folder: Path, text: str) -> dict[str, Any]:
    (folder / "values.yaml").write_text(text + "\n", encoding="utf-8")
    (folder / "Chart.yaml").write_text("name: x\n", encoding="utf-8")
    return schema.chart_schema(folder)
