"""images.yaml says what is there, and forgets no image of the charts."""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest

import llmdctl
from llmdctl import assets
from llmdctl.programs import CATALOG
from llmdctl.sandbox.images.distributions import closure
from llmdctl.sandbox.images.facet import FILE, Distributions, OwnPackage, PackageFile, ProgramLayer, facets
from tests import documents

PROJECT = tomllib.loads((Path(llmdctl.__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LAYERS = [layer for image in facets().images.values() for layer in image.layers]


def names_of(option: str) -> set[str]:
    return {re.split("[=<>]", line)[0] for line in PROJECT["optional-dependencies"][option]}


def chart_images() -> set[str]:
    """The place of every `image` block in the values of the charts below the umbrella."""
    found: set[str] = set()

    def walk(value: object, path: str) -> None:
        if isinstance(value, dict):
            if {"repository", "tag"} <= set(value):
                found.add(path)
            for key, inner in value.items():
                walk(inner, f"{path}.{key}")

    for chart in (assets.charts() / "llmd" / "charts").iterdir():
        file = chart / "values.yaml"
        if file.exists():
            walk(documents.load(file.read_text(encoding="utf-8")), chart.name)
    return found


def test_it_fits_its_schema():
    schema = json.loads((assets.schemas() / "sandbox-images.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    stated = documents.load(FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(stated)
    stated["images"]["pause"]["layers"][0]["unknown"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(stated)


def test_every_image_of_the_charts_is_made_or_said_to_be_unavailable():
    made = {place for image in facets().images.values() for place in image.values}
    assert made.isdisjoint(facets().unavailable)
    assert made | set(facets().unavailable) == chart_images()


def test_programs_are_pinned_and_distributions_are_options_of_ours():
    assert {layer.program for layer in LAYERS if isinstance(layer, ProgramLayer)} <= set(CATALOG)
    assert {layer.distribution for layer in LAYERS if isinstance(layer, PackageFile)} == names_of("node")
    (engine,) = {layer for layer in LAYERS if isinstance(layer, Distributions)}
    required = {re.split("[=<>]", line)[0] for line in PROJECT["dependencies"]}
    assert names_of("engine") <= set(engine.distributions) <= names_of("engine") | required


@pytest.mark.parametrize("package", [layer for layer in LAYERS if isinstance(layer, OwnPackage)], ids=lambda p: p.name)
def test_our_own_package_stands_alone(package):
    top = Path(llmdctl.__file__).parent
    assert [name for name in package.data if not (top / name).is_file()] == []
    (needed,) = {layer for layer in LAYERS if isinstance(layer, Distributions)}
    modules = {
        str(file).split("/")[0].removesuffix(".py")
        for found in closure(needed.distributions)
        for file in found.files or ()
    }
    for file in top.parent.joinpath(*package.package.split(".")).rglob("*.py"):
        for name in imported(ast.parse(file.read_text(encoding="utf-8"))):
            known = name.split(".")[0] in sys.stdlib_module_names | modules
            assert known or name.startswith(package.package), f"{file.name} imports {name}"


def imported(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(str(node.module))
    return found
