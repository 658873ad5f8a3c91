"""Every documented value of the charts, with another value than its default."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from llmdctl import assets

SUBCHARTS = ("gateway", "scheduler", "modelserver", "kvstore", "autoscaling", "monitoring")
TEXTS = ("sample", "/sample", "https://example.com", "sha256:" + 64 * "0", "2Gi")


@dataclass(frozen=True)
class Setting:
    """One documented value and another value for it."""

    key: str
    text: str

    @property
    def argument(self) -> str:
        """As `--set` takes it."""
        return f"{self.key}={self.text}"


def documented(chart: str) -> Iterator[Setting]:
    """Every leaf of a chart's schema with a value that differs from its default."""
    schema = json.loads((assets.charts() / chart / "values.schema.json").read_text())
    prefix = () if chart == "llmd" else (chart,)
    for key, leaf in _leaves(schema, schema, ()):
        if key[0] in SUBCHARTS or key[0] == "llmd-library" or (chart != "llmd" and key[0] == "global"):
            continue
        if (text := sample(leaf)) is not None:
            yield Setting(".".join((*prefix, *key)), text)


def _leaves(node: Any, root: Any, path: tuple[str, ...], depth: int = 0) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Scalar leaves of a JSON Schema, references and nullable alternatives followed."""
    node = _resolved(node, root)
    properties = node.get("properties")
    if properties is None or depth > 8:
        if path:
            yield path, node
        return
    for name, child in properties.items():
        if "." not in name:
            yield from _leaves(child, root, (*path, name), depth + 1)


def _resolved(node: Any, root: Any) -> Any:
    while True:
        if "$ref" in node:
            target = root
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            node = target
        elif "anyOf" in node or "oneOf" in node:
            choices = [choice for choice in node.get("anyOf") or node["oneOf"] if choice.get("type") != "null"]
            node = choices[0]
        else:
            return node


def sample(leaf: Any) -> str | None:
    """A value in --set's grammar for one scalar leaf; None for mappings and lists, which have no one value."""
    kinds = leaf.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if "enum" in leaf:
        names = [str(choice) for choice in leaf["enum"] if choice is not None]
        return names[-1]
    if "boolean" in kinds:
        return str(not leaf.get("default", False)).lower()
    if "integer" in kinds or "number" in kinds:
        return str(min(max(int(leaf.get("minimum", 0)) + 1, 2), int(leaf.get("maximum", 10**9))))
    if "string" in kinds:
        return next(text for text in TEXTS if re.search(leaf.get("pattern", ""), text))
    return None
