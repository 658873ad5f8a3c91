"""With the sandbox's values every container of every path runs an image that is made here, or one that is named as not
to be had."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmdctl import assets
from llmdctl.errors import LlmdctlError
from llmdctl.helm import open_renderer
from llmdctl.model.selection import Overrides, Selection
from llmdctl.recipe import Catalog, compose
from llmdctl.sandbox import images
from llmdctl.values import build
from tests import documents
from tests.unit.sandbox.images.test_dialect import FLAGS

CATALOG = Catalog.load([assets.paths()])
PATHS = [path.name for path in CATALOG.paths]


def of(value: object) -> Iterator[str]:
    """Every image below a value."""
    if isinstance(value, dict):
        if isinstance(value.get("image"), str):
            yield value["image"]
        for inner in value.values():
            yield from of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from of(inner)


def repository(place: str) -> str:
    """The repository that the chart's own values name at a place."""
    chart, *keys = place.split(".")
    value: Any = documents.load((assets.charts() / chart / "values.yaml").read_text(encoding="utf-8"))
    for key in keys:
        value = value[key]
    return f"{value['registry']}/{value['repository']}"


def rendered(path: str, engine: str, file: Path) -> set[str]:
    recipe = compose(CATALOG, Selection(path=path, engine=engine), Overrides(files=(file,), force=True))
    return set(of(list(open_renderer().render(build(recipe, name="pd", namespace="n")).objects)))


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("version", ["0.7", "0.10"])
def test_every_container_runs_an_image_of_ours(picker, tmp_path, version, path, engine):
    picker(FLAGS[version])
    file = images.write_values(tmp_path / "values.yaml")
    try:
        found = rendered(path, engine, file)
    except LlmdctlError as error:
        refused(error, version, engine)
        return
    ours = set(images.references().values())
    assert found & ours
    assert {image.rsplit(":", 1)[0] for image in found - ours} <= set(map(repository, images.facets().unavailable))


def refused(error: LlmdctlError, version: str, engine: str) -> None:
    """A path is refused only because it does not go with the engine, or needs a later endpoint picker."""
    words = " ".join([error.message, *(problem.message for problem in error.problems)])
    if engine == "sglang" and ("SGLang" in words or "does not offer the engine" in words):
        return
    assert version == "0.7", words
    assert "0.9" in words


def test_the_default_paths_run_with_the_pinned_picker(tmp_path, monkeypatch):
    monkeypatch.delenv("LLMDCTL_EPP", raising=False)
    file = images.write_values(tmp_path / "values.yaml")
    for path in ("optimized-baseline", "pd-disaggregation", "shared-kv-cache", "wide-ep"):
        assert rendered(path, "vllm", file) <= set(images.references().values())


def test_a_digest_of_the_recipe_does_not_stay(tmp_path, picker):
    picker(FLAGS["0.9"])
    values = documents.load(images.write_values(tmp_path / "values.yaml").read_text(encoding="utf-8"))
    blocks = [values["scheduler"]["image"], values["modelserver"]["roleDefaults"]["image"]]
    assert [block["digest"] for block in blocks] == ["", ""]
    assert values["global"]["llmd"]["eppVersion"] == "0.9"


def test_the_engine_is_told_the_accelerator_that_its_node_claims():
    stated = images.values("h200")["modelserver"]["roleDefaults"]["env"]
    assert stated == {"LLMDCTL_ENGINE_ACCELERATOR": "h200"}
    assert "env" not in images.values()["modelserver"]["roleDefaults"]
