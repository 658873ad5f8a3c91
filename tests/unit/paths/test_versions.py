"""The version set: complete references, nothing that floats, charts in the order in which they are installed."""

from __future__ import annotations

import re
from typing import Any

import pytest

from llmdctl import assets
from tests.unit.paths import data

IMAGES = [
    (f"{name}-{variant}", image)
    for name, variants in data.versions()["images"].items()
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
    ("modelserver", ("roleDefaults", "image"), ("vllm", "nvidia")),
    ("modelserver", ("routingSidecar", "image"), ("sidecar", "default")),
    ("scheduler", ("image",), ("epp", "default")),
    ("scheduler", ("proxy", "image"), ("envoy", "default")),
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
