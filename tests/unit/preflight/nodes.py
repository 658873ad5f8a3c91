"""The fixtures of nodes, and a case of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import yaml

from llmdctl.model.inventory import Inventory, Section, Seen
from llmdctl.preflight.case import Case
from tests.unit.preflight.cases import LOADER, TESTS, accelerators

FIXTURES = TESTS / "fixtures"
Item = Mapping[str, Any]


@cache
def documents(name: str) -> tuple[Item, ...]:
    """Nodes and ResourceSlices of a fixture file."""
    return tuple(yaml.load_all((FIXTURES / name).read_text(encoding="utf-8"), Loader=LOADER))


def node(name: str) -> Item:
    """One node of the fixtures."""
    return next(item for item in all_documents() if item["kind"] == "Node" and item["metadata"]["name"] == name)


def all_documents() -> tuple[Item, ...]:
    return (*documents("nodes.yaml"), *documents("more_nodes.yaml"))


def case(
    items: Sequence[Item],
    *,
    missing: Mapping[str, Seen] | None = None,
    others: Mapping[str, Sequence[Item]] | None = None,
    **fields: Any,
) -> Case:
    """A case of nodes and slices; pods and claims are known and none unless `others` has them."""
    slices = tuple(item for item in items if item["kind"] == "ResourceSlice")
    found = dict.fromkeys(("pods", "resource-claims", "device-classes", "apis", "cluster-versions"), ()) | {
        "nodes": tuple(item for item in items if item["kind"] == "Node"),
        "resource-slices": slices,
        "version": ({"gitVersion": "v1.34.4"},),
        **{name: tuple(rows) for name, rows in (others or {}).items()},
    }
    sections = {name: Section(seen=Seen.OK, items=rows) for name, rows in found.items()}
    sections |= {name: Section(seen=seen, reason="not allowed") for name, seen in (missing or {}).items()}
    inventory = Inventory(
        captured_at="2026-11-22T00:00:00Z",
        llmdctl="0",
        server=fields.pop("server", ""),
        context=fields.pop("context", ""),
        sections=sections,
    )
    return Case(inventory=inventory, accelerators=accelerators(), **fields)
