"""Finding and validating paths and facets; several roots; every mistake of a user's folder in one run."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmdctl import assets
from llmdctl.errors import RecipeError
from llmdctl.model.selection import AXES, Selection
from llmdctl.recipe import Catalog, compose
from llmdctl.recipe.reader import read
from llmdctl.recipe.schema import load, problems_of
from tests.unit.recipe.conftest import ENGINE, MODEL, PATH, files


def problems(run) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        run()
    return [str(problem) for problem in caught.value.problems]


def test_names_and_files(catalog) -> None:
    loaded = catalog()
    assert [path.name for path in loaded.paths] == ["plain", "split"]
    assert loaded.names("model") == ("odd", "small")
    assert [facet.name for facet in loaded.facets("engine")] == ["fast", "slow"]
    assert loaded.path("split").roles == ("prefill", "decode")
    assert loaded.facet("model", "odd").facts["id"] == "org/odd"


def test_own_folder_beside_another(write) -> None:
    first = write()
    own = write({"facets/engines/mine.yaml": ENGINE.format(name="mine")}, folder="own", only=True)
    loaded = Catalog.load([first, own])
    assert loaded.names("engine") == ("fast", "mine", "slow")
    recipe = compose(loaded, Selection(path="plain", engine="mine"))
    assert recipe.facets["engine"] == "mine"


def test_a_name_in_two_folders(write) -> None:
    first = write()
    own = write({"facets/engines/fast.yaml": ENGINE.format(name="fast")}, folder="own", only=True)
    assert problems(lambda: Catalog.load([first, own])) == [
        f"{own}/facets/engines/fast.yaml:1: the engine facet 'fast' stands here and in"
        f" {first}/facets/engines/fast.yaml. Give one of them another name."
    ]


def test_folders_that_hold_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert problems(lambda: Catalog.load([tmp_path / "gone", tmp_path / "empty"])) == [
        f"{tmp_path}/gone: there is no such folder of paths and facets.",
        f"{tmp_path}/empty: the folder holds no paths and no facets. They lie in <path>/recipe.yaml and"
        " facets/<kind>s/<name>.yaml.",
    ]


def test_a_folder_that_belongs_to_no_kind(write) -> None:
    root = write({"facets/engine/x.yaml": ENGINE.format(name="x")})
    assert problems(lambda: Catalog.load([root])) == [
        f"{root}/facets/engine: no kind of facet has this folder. Did you mean 'engines'?"
    ]


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        (
            "facets/engines/fast.yaml",
            ENGINE.format(name="fast").replace("title: An", "titel: An"),
            [":1: the key 'title' is missing.", ":3: titel: there is no key 'titel' here. Did you mean 'title'?"],
        ),
        (
            "facets/engines/fast.yaml",
            ENGINE.format(name="fast").replace("dialect: vllm", "dialect: vlm"),
            [":4: facts.dialect: 'vlm' is not one of vllm, sglang, trtllm, custom. Did you mean 'vllm'?"],
        ),
        (
            "facets/engines/fast.yaml",
            ENGINE.format(name="other"),
            [":2: name: it calls itself 'other', but its file says 'fast'."],
        ),
        (
            "facets/engines/fast.yaml",
            ENGINE.format(name="fast").replace("kind: engine", "kind: fabric"),
            [
                ":1: kind: it calls itself 'fabric', but its folder says 'engine'.",
                ":4: facts.connector: there is no key 'connector' here.",
                ":4: facts.dialect: there is no key 'dialect' here.",
                ":4: facts: the key 'rdma' is missing.",
                ":4: facts: the key 'resource' is missing.",
            ],
        ),
        (
            "facets/models/small.yaml",
            MODEL.format(name="small", heads="many").replace("gated: false", "gated: maybe"),
            [
                ":6: facts.config.num_attention_heads: 'many' is not a whole number.",
                ":9: facts.gated: 'maybe' is not true or false.",
            ],
        ),
        (
            "facets/engines/fast.yaml",
            ENGINE.format(name="fast") + "when:\n  - match: {paths: x}\n    values: {}\n",
            [":11: when[0].match.paths: there is no key 'paths' here. Did you mean 'path'?"],
        ),
        (
            "facets/engines/fast.yaml",
            ENGINE.format(name="fast") + "excludes:\n  - match: {path: x}\n    reason: bad\n    evidence: bad\n",
            [":13: excludes[0].evidence: 'bad' is not one of known-bad, impossible."],
        ),
        (
            "facets/engines/fast.yaml",
            ENGINE.format(name="fast") + '      env: {A: "{{ model.id"}\n',
            [":10: values.modelserver.roleDefaults.env.A: '{{' is never closed by '}}'."],
        ),
        (
            "facets/engines/fast.yaml",
            ENGINE.format(name="fast") + '      env: {"{{ x }}": 1}\n',
            [":10: values.modelserver.roleDefaults.env: the key '{{ x }}' holds an expression; only values may."],
        ),
        (
            "facets/engines/fast.yaml",
            ENGINE.format(name="fast") + "when:\n  - match: {model: [smal, small], role: decode}\n    values: {}\n",
            [":11: when[0].match.model: there is no model 'smal'. Did you mean 'small'?"],
        ),
        ("facets/engines/fast.yaml", "- a list\n", [":1: the file holds a list, not a mapping of keys to values."]),
        (
            "plain/recipe.yaml",
            PATH.format(name="plain", roles="aggregate, worker", first="aggregate"),
            [":7: roles[1]: 'worker' is not one of aggregate, prefill, decode, encode."],
        ),
        (
            "plain/recipe.yaml",
            PATH.format(name="plain", roles="aggregate", first="aggregate").replace("model: small, ", ""),
            [":5: defaults: the key 'model' is missing."],
        ),
    ],
)
def test_mistakes_in_a_file(write, file: str, text: str, expected: list[str]) -> None:
    root = write({file: text})
    found = problems(lambda: Catalog.load([root]))
    assert len(found) == len(expected)
    for line, wanted in zip(sorted(found), sorted(expected), strict=True):
        assert line.startswith(f"{root}/{file}{wanted}")


def test_mistakes_of_all_files_show_together(write) -> None:
    root = write({"facets/engines/fast.yaml": "a: 1\na: 2\n", "facets/models/odd.yaml": "kind: model\n"})
    found = problems(lambda: Catalog.load([root]))
    assert {line.split(":")[0] for line in found} == {
        f"{root}/facets/engines/fast.yaml",
        f"{root}/facets/models/odd.yaml",
    }


def test_unknown_facet(catalog) -> None:
    with pytest.raises(RecipeError) as caught:
        catalog().facet("kv_tier", "nonee")
    assert caught.value.message == "There is no kv tier facet 'nonee'. Did you mean 'none'?"


def test_what_is_shipped_has_no_mistakes() -> None:
    loaded = Catalog.load([assets.paths()])
    assert loaded.problems() == ()
    for name in ("versions", "evidence"):
        schema = load(assets.schemas() / f"{name}.schema.json")
        assert problems_of(read(assets.paths() / f"{name}.yaml"), schema) == []


def test_shipped_files_are_shown_from_the_repository(write) -> None:
    loaded = Catalog.load([assets.paths()])
    assert loaded.path(loaded.names("path")[0]).file.startswith("paths/")


def test_the_tiny_catalogue_has_every_axis() -> None:
    folders = {file.split("/")[1] for file in files() if file.startswith("facets/")}
    assert len(folders) == len(AXES)
