"""Inventories for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmdctl.cli.views.tables import table

if TYPE_CHECKING:
    from rich.table import Table

    from llmdctl.cli.results import InventorySummary, NodeList
    from llmdctl.model.check import NodeSummary


def summary(taken: InventorySummary) -> str:
    """`inventory --to`: what was written."""
    held = {section.name: section.items for section in taken.sections}
    known = sum(section.seen in ("ok", "not-served") for section in taken.sections)
    return (
        f"{taken.file} holds {known} of {len(taken.sections)} sections, {held.get('nodes', 0)} nodes and"
        f" {held.get('pods', 0)} pods among them{', without names' if taken.redacted else ''}.\n"
        f"Judge a recipe by it: llmdctl preflight RECIPE --inventory {taken.file}"
    )


def nodes(listed: NodeList) -> Table:
    """`inventory nodes`: one line each."""
    return table(
        ("node", "accelerator", "memory", "free", "of", "rdma", "schedulable", "findings", "read from"),
        (_row(node) for node in listed.nodes),
    )


def _row(node: NodeSummary) -> tuple[object, ...]:
    counted = bool(node.resource)
    free = "unknown" if node.free is None else node.free
    return (
        node.name,
        node.accelerator or node.product,
        f"{node.memory_mib} MiB" if node.memory_mib else "",
        free if counted else "",
        node.allocatable if counted else "",
        " ".join(f"{name}={number}" for name, number in node.rdma.items()),
        "yes" if node.schedulable else "no",
        " ".join(node.findings),
        node.key,
    )
