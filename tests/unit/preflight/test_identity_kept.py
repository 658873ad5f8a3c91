"""What nodes are is still known of an inventory: trimmed as it is captured, written and read, redacted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llmdctl.model.inventory import Inventory, Section, Seen
from llmdctl.model.inventory_file import dump, load, redact
from llmdctl.model.sections import OBJECTS
from llmdctl.model.trimming import trimmer
from llmdctl.preflight.platform import detect
from llmdctl.preflight.summaries import summaries
from tests.unit.preflight.nodes import all_documents, case


def trimmed(inventory: Inventory, _: Path) -> Inventory:
    found = dict(inventory.sections)
    for name in ("nodes", "resource-slices"):
        kept = trimmer(OBJECTS[name][0])
        items = tuple(kept(item, item.get("apiVersion", "v1"), item["kind"]) for item in found[name].items)
        found[name] = Section(seen=Seen.OK, items=items)
    return replace(inventory, sections=found)


def written(inventory: Inventory, folder: Path) -> Inventory:
    file = folder / "inventory.yaml"
    file.write_text(dump(inventory), encoding="utf-8")
    return load(file)


def hidden(inventory: Inventory, _: Path) -> Inventory:
    return redact(inventory)


WAYS: Mapping[str, Callable[[Inventory, Path], Inventory]] = {"trimmed": trimmed, "written": written, "hidden": hidden}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_the_same_is_said_of_every_node(way: Callable[[Inventory, Path], Inventory], tmp_path: Path) -> None:
    whole = case(all_documents())
    after = replace(whole, inventory=way(whole.inventory, tmp_path))
    assert [said(each) for each in summaries(after)] == [said(each) for each in summaries(whole)]
    assert detect(after) == detect(whole)


def said(summary: Any) -> tuple[Any, ...]:
    return tuple(getattr(summary, name) for name in type(summary).__slots__ if name != "name")
