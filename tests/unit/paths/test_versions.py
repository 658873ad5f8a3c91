"""The version set: complete references, nothing that floats, charts in the order in which they are installed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from llmdctl import assets
from llmdctl.errors import RecipeError
from llmdctl.model.selection import Overrides, Selection
from llmdctl.recipe import Catalog, compose
from tests.unit.paths import data

IMAGES = [
    (f"{version}-{name}-{variant}", image)
    for version, content in data.read(assets.paths() / "versions.yaml")["sets"].items()
    for name, variants in content["images"].items()
    for variant, image in variants.items()
]
PREREQUISITES = data.versions()["prerequisites"]


@pytest.mark.parametrize(("name", "image"), IMAGES, ids=[name for name, _ in IMAGES])
def test_an_image_is_pinned_and_sourced(name: str, image: dict[str, Any]) -> None:
    assert re.fullmatch(r"[a-z0-9.-]+\.[a-z]+", image["registry"])
    assert re.fullmatch(r"[a-z0-9._/-]+", image["repository"])
    assert image["tag"] not in {"", "latest", "main", "nightly"}
    assert image["version"] in image["tag"], "the tag names the version"
    assert image["sources"]


def test_images_of_engines_are_for_vendors_that_exist_and_every_vendor_has_an_engine() -> None:
    images = data.versions()["images"]
    vendors = {facet["facts"]["vendor"] for facet in data.facets("accelerator").values()}
    engines = {engine: set(images[engine]) for engine in ("sglang", "trtllm", "vllm")}
    for engine, keys in engines.items():
        strangers = {key for key in keys - vendors if key.partition("-")[0] not in vendors}
        assert not strangers, f"{engine}: {strangers}"  # a variant is <vendor>-<what for>
    assert vendors <= set().union(*engines.values())


@pytest.mark.parametrize("name", sorted(PREREQUISITES))
def test_a_prerequisite_says_what_it_brings_and_how_to_get_it(name: str) -> None:
    entry = PREREQUISITES[name]
    assert entry["sources"]
    assert all(re.fullmatch(r"[a-z]+(\.[a-z0-9-]+)+", crd) for crd in entry["crds"])
    assert entry["crds"] == sorted(entry["crds"])
    match entry["kind"]:
        case "crds":
            assert entry["version"] in entry["manifest"]
        case "controller":
            assert entry["namespace"]
            for chart in entry["charts"]:
                assert ("reference" in chart) != ("repository" in chart)
                assert re.fullmatch(r"v?\d+\.\d+\.\d+", chart["version"])
        case "platform":
            assert "charts" not in entry
        case other:
            pytest.fail(f"unknown kind {other}")


CHART_IMAGES = [
    ("gateway", ("modelRouting", "router", "image"), ("bbr", "default")),
    ("kvstore", ("mooncake", "image"), ("mooncake", "default")),
    ("kvstore", ("redis", "image"), ("valkey", "default")),
    ("modelserver", ("roleDefaults", "image"), ("vllm", "nvidia")),
    ("modelserver", ("routingSidecar", "image"), ("sidecar", "default")),
    ("scheduler", ("image",), ("epp", "default")),
    ("scheduler", ("proxy", "image"), ("envoy", "default")),
    ("scheduler", ("render", "image"), ("render", "default")),
    ("scheduler", ("tokenizer", "image"), ("tokenizer", "epp-0.7")),
    ("scheduler", ("predictedLatency", "training", "image"), ("latency-training", "default")),
    ("scheduler", ("predictedLatency", "prediction", "image"), ("latency-prediction", "default")),
]


@pytest.mark.parametrize(("chart", "key", "name"), CHART_IMAGES, ids=lambda value: "-".join(value) if value else "")
def test_charts_default_to_the_images_of_the_set(chart: str, key: tuple[str, ...], name: tuple[str, str]) -> None:
    stated = data.read(assets.charts() / chart / "values.yaml")
    for step in key:
        stated = stated[step]
    wanted = data.versions()["images"][name[0]][name[1]]
    assert {part: stated[part] for part in ("registry", "repository", "tag")} == {
        part: wanted[part] for part in ("registry", "repository", "tag")
    }


def test_every_gateway_has_its_inference_pool_api() -> None:
    assert set(data.versions()["inference_pool_apis"]) == set(data.facets("gateway"))


def test_a_set_stands_on_another_and_brings_the_images_of_its_endpoint_picker(tmp_path: Path) -> None:
    (tmp_path / "versions.yaml").write_text('{kind: versions, default: "2026.09", sets: {}}')
    catalog = Catalog.load([assets.paths(), tmp_path])
    assert catalog.versions.chosen["images"]["vllm"]["intel-gaudi"]["tag"] == "v0.7.0"  # of the set below
    values = compose(catalog, Selection(path="optimized-baseline", autoscaler="none")).values
    assert values["global"]["llmd"]["eppVersion"] == "0.10"
    assert values["modelserver"]["roleDefaults"]["image"]["tag"] == "v0.27.1"
    assert values["modelserver"]["routingSidecar"]["image"]["tag"] == "v0.10.0"
    scheduler = values["scheduler"]
    assert [scheduler["image"]["tag"], scheduler["render"]["image"]["tag"]] == ["v0.10.0", "v0.27.1"]


@pytest.mark.parametrize(
    ("stated", "picker", "sidecar"),
    [
        ("0.7", "llm-d/llm-d-inference-scheduler:v0.7.1", "llm-d/llm-d-routing-sidecar:v0.7.1"),
        ("0.9", None, None),  # the charts' own
        ("0.10", "llm-d/llm-d-router-endpoint-picker:v0.10.0", "llm-d/llm-d-router-disagg-sidecar:v0.10.0"),
    ],
)
def test_images_follow_the_version_of_the_endpoint_picker(stated: str, picker: str | None, sidecar: str | None) -> None:
    overrides = Overrides(sets=(f"global.llmd.eppVersion={stated}",))
    recipe = compose(Catalog.load([assets.paths()]), Selection(path="optimized-baseline"), overrides)
    for chart, key, wanted in (("scheduler", "image", picker), ("modelserver", "routingSidecar", sidecar)):
        found = recipe.values.get(chart, {}).get(key) or {}
        image = found.get("image", {}) if key == "routingSidecar" else found
        assert (f"{image['repository']}:{image['tag']}" if image else None) == wanted
    assert recipe.values["global"]["llmd"]["eppVersion"] == stated


def test_a_set_that_stands_on_nothing_is_a_mistake_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "versions.yaml").write_text(
        'kind: versions\nsets:\n  mine:\n    title: Mine\n    sources: []\n    extends: "2026.6"\n'
    )
    with pytest.raises(RecipeError) as wrong:
        Catalog.load([assets.paths(), tmp_path])
    assert [(one.line, one.suggestion) for one in wrong.value.problems] == [(6, "2026.06")]
