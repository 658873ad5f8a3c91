"""Helm 3, Helm 4 and the engine inside the Python package give the same objects in the same order."""

from __future__ import annotations

import pytest

from llmdctl import programs
from llmdctl.helm import open_renderer
from tests.unit.charts.cases import BASIC, CASES, at, merged

INPUTS = {
    **CASES,
    "large numbers": merged(
        BASIC,
        at("modelserver.roleDefaults.maxModelLen", 1_048_576),
        at("scheduler.prefixCache.lruCapacityPerServer", 1_250_000),
    ),
}


@pytest.mark.programs
@pytest.mark.parametrize("values", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("program", ["helm", "helm3"])
def test_programs_and_embedded_engine_agree(render, values, program) -> None:
    engine = open_renderer(path=programs.find(program).path)
    assert render(values, engine=engine) == render(values)
