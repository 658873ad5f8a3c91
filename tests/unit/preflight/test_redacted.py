"""An inventory without names is judged as the one with them: each check of every captured cluster."""

from __future__ import annotations

import pytest

from llmdctl.model.inventory import Inventory
from llmdctl.model.inventory_file import dump, load, redact
from llmdctl.preflight import Case, preflight
from tests.unit.preflight.cases import INVENTORIES, accelerators, rendered

FILES = sorted(INVENTORIES.glob("*.yaml"))


def outcomes(inventory: Inventory) -> dict[str, str]:
    recipe, objects, linted = rendered("bench", "default", (("accelerator", "h200"), ("path", "pd-disaggregation")))
    case = Case(
        inventory=inventory, objects=objects, recipe=recipe, release="bench", namespace="default",
        accelerators=accelerators(), linted=linted,
    )  # fmt: skip
    report = preflight(case)
    assert not [result for result in report.results if "This is a bug" in result.message]
    return {result.code: result.outcome.value for result in report.results}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_redaction_changes_no_outcome(file):
    taken = load(file)
    shown = redact(taken)
    assert outcomes(shown) == outcomes(taken)
    text = dump(shown)
    assert not [
        name for name in (str(item["metadata"]["name"]) for item in taken.section("nodes").items) if f'"{name}"' in text
    ]
