"""The real endpoint picker loads what the chart renders for its version, and refuses what is wrong.

Without LLMDCTL_EPP it is 0.7.1, built from its source. `LLMDCTL_EPP=<binary>` judges with any other.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmdctl import assets
from llmdctl.errors import LlmdctlError, RecipeError
from llmdctl.helm import open_renderer
from llmdctl.model.release import ReleaseSpec
from llmdctl.model.selection import Overrides, Selection
from llmdctl.recipe import Catalog, compose
from llmdctl.values import build
from tests.e2e.epp.cases import CASES, VERSIONS, Case
from tests.e2e.epp.picker import Picker, Verdict, configuration_of, flags_of

pytestmark = [pytest.mark.e2e, pytest.mark.programs]

COMPOSITIONS = (
    {"path": "optimized-baseline", "engine": "sglang"},
    {"path": "optimized-baseline", "scheduling": "throughput"},
    {"path": "optimized-baseline", "autoscaler": "keda-queue", "metrics": "prometheus-operator"},
    {"path": "pd-disaggregation", "scheduling": "throughput"},
    {"path": "pd-disaggregation", "prefix_index": "precise", "flow_control": "priorities", "scheduling": "latency"},
    {"path": "flow-control", "scheduling": "session-affinity"},
    {"path": "predicted-latency", "scheduling": "predicted-latency-slo", "prefix_index": "precise"},
)


def image(version: str) -> dict[str, str]:
    dialect = yaml.safe_load((assets.charts() / "scheduler" / "dialects" / f"{version}.yaml").read_text())
    repository, tag = dialect["image"].split(":")
    return {"repository": repository, "tag": tag}


def rendered(case: Case, version: str) -> tuple[dict[str, Any], ...]:
    values = {
        "global": {"llmd": {"eppVersion": version, **case.facts}},
        "image": image(version),
        "metricsAuth": False,
        **case.scheduler,
    }
    chart = assets.charts() / "scheduler"
    spec = ReleaseSpec(
        name="pd", namespace="default", chart=chart, values=values, recipe="", facets={}, evidence="derived"
    )
    return tuple(open_renderer().render(spec).objects)


def judged(picker: Picker, objects: tuple[dict[str, Any], ...], folder: Path) -> Verdict:
    return picker.start(configuration_of(objects), flags_of(objects), folder)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_loads_what_the_chart_renders(case: Case, picker: Picker, tmp_path: Path) -> None:
    if not case.possible(picker.version):
        pytest.skip(f"the endpoint picker {picker.version} cannot do it; the test below sees the refusal")
    verdict = judged(picker, rendered(case, picker.version), tmp_path)
    assert verdict.accepted, verdict.complaints


@pytest.mark.parametrize(
    ("case", "version"),
    [(case, version) for case in CASES for version in VERSIONS if not case.possible(version)],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_the_chart_refuses_what_a_version_lacks_and_names_one_that_has_it(case: Case, version: str) -> None:
    with pytest.raises(LlmdctlError) as refused:
        rendered(case, version)
    assert f"EPP {version}" in str(refused.value)
    assert case.needs in str(refused.value)


CATALOG = Catalog.load([assets.paths()])
EVERY_PATH = tuple({"path": path} for path in CATALOG.names("path"))


@pytest.mark.parametrize("chosen", (*EVERY_PATH, *COMPOSITIONS), ids=lambda chosen: "+".join(chosen.values()))
def test_it_loads_every_path_and_composition(chosen: dict[str, str], picker: Picker, tmp_path: Path) -> None:
    version = f"global.llmd.eppVersion={picker.version}"
    try:
        recipe = compose(CATALOG, Selection(**chosen), Overrides(sets=(version,)))
        objects = tuple(open_renderer().render(build(recipe, name="pd", namespace="default")).objects)
    except RecipeError as refused:
        said = f"{refused} " + " ".join(str(problem) for problem in refused.problems)
        if picker.version == "0.9" or not re.search(r"eppVersion|EPP 0\.(7|10) ", said):
            raise
        pytest.skip(f"not with {picker.version}: {said[:160]}")
    verdict = judged(picker, objects, tmp_path)
    assert verdict.accepted, verdict.complaints


def seeded(name: str, configuration: dict[str, Any]) -> dict[str, Any]:
    """The default configuration with one mistake in it."""
    plugins, profile = configuration["plugins"], configuration["schedulingProfiles"][0]["plugins"]
    match name:
        case "unknown plugin type":
            plugins.append({"type": "queu-scorer"})
        case "reference to nothing":
            profile.append({"pluginRef": "not-declared"})
        case "two profile handlers":
            plugins.append({"type": "disagg-profile-handler"})
        case "two profiles for a single handler":
            configuration["schedulingProfiles"].append({"name": "other", "plugins": [{"pluginRef": "queue-scorer"}]})
        case "unknown field":
            configuration["schedulingProfile"] = []
        case "parameter of the wrong type":
            plugins.append({"type": "load-aware-scorer", "parameters": {"threshold": "many"}})
        case "one name twice":
            plugins.append({"type": "queue-scorer"})
        case "handler with an unknown decider":
            configuration["plugins"] = [
                {"type": "disagg-profile-handler", "parameters": {"deciders": {"prefill": "nobody"}}},
                *(plugin for plugin in plugins if plugin["type"] != "single-profile-handler"),
            ]
        case "another apiVersion":
            configuration["apiVersion"] = "llm-d.ai/v9"
    return configuration


SEEDED = (
    "unknown plugin type",
    "reference to nothing",
    "two profile handlers",
    "two profiles for a single handler",
    "unknown field",
    "parameter of the wrong type",
    "one name twice",
    "handler with an unknown decider",
    "another apiVersion",
)


@pytest.mark.parametrize("mistake", SEEDED)
def test_it_exits_on_a_seeded_mistake(mistake: str, picker: Picker, tmp_path: Path) -> None:
    objects = rendered(CASES[0], picker.version)
    wrong = yaml.safe_dump(seeded(mistake, yaml.safe_load(configuration_of(objects))))
    verdict = picker.start(wrong, flags_of(objects), tmp_path)
    assert verdict.code not in (None, 0), verdict.log[-2000:]


def test_it_exits_on_a_flag_that_it_does_not_know(picker: Picker, tmp_path: Path) -> None:
    objects = rendered(CASES[0], picker.version)
    verdict = picker.start(configuration_of(objects), [*flags_of(objects), "--no-such-flag=1"], tmp_path)
    assert verdict.code == 2
