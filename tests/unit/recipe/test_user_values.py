"""What a user sets is checked against the charts' own schemas, with the line or the argument."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmdctl import assets
from llmdctl.errors import RecipeError
from llmdctl.model.selection import Overrides, Selection
from llmdctl.recipe import Catalog, compose

SELECTION = Selection(path="pd-disaggregation")


@pytest.fixture(scope="module")
def shipped() -> Catalog:
    return Catalog.load([assets.paths()])


def problems(catalog: Catalog, overrides: Overrides) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        compose(catalog, SELECTION, overrides)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "modelserver:\n  roles:\n    decode:\n      replica: 3\n  roleDefault: {}\nschedulr: {}\n",
            [
                ":4: modelserver.roles.decode.replica: there is no key 'replica' here. Did you mean 'replicas'?",
                ":5: modelserver.roleDefault: there is no key 'roleDefault' here. Did you mean 'roleDefaults'?",
                ":6: schedulr: there is no key 'schedulr' here. Did you mean 'scheduler'?",
            ],
        ),
        (
            "modelserver:\n  roles:\n    decode: {replicas: two}\n  engine: {flags: {blockSize: [1]}}\n",
            [
                ":3: modelserver.roles.decode.replicas: 'two' is not a whole number",
                ":4: modelserver.engine.flags.blockSize: a list is not text",
            ],
        ),
        (
            "global:\n  llmd:\n    mode: gatway\n    eppVersion: 0.9\n",
            [
                ":3: global.llmd.mode: 'gatway' is not one of standalone, gateway. Did you mean 'gateway'?",
                ":4: global.llmd.eppVersion: 0.9 is not text; put it in quotes.",
            ],
        ),
        (
            "modelserver:\n  roleDefaults:\n    tolerations: {x: {ky: a}}\n",
            [":3: modelserver.roleDefaults.tolerations.x.ky: there is no key 'ky' here. Did you mean 'key'?"],
        ),
        ("modelserver: 3\n", [":1: modelserver: 3 is not a mapping."]),
    ],
)
def test_mistakes_have_their_line(shipped: Catalog, tmp_path: Path, text: str, expected: list[str]) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    found = problems(shipped, Overrides(files=(file,)))
    assert len(found) == len(expected)
    for line, beginning in zip(found, expected, strict=True):
        assert line.startswith(f"{file}{beginning}")


def test_arguments_are_named(shipped: Catalog) -> None:
    found = problems(shipped, Overrides(sets=("modelserver.roles.decode.parallelism.tensr=2",)))
    assert found == [
        "--set modelserver.roles.decode.parallelism.tensr=2: modelserver.roles.decode.parallelism.tensr:"
        " there is no key 'tensr' here. Did you mean 'tensor'?"
    ]


def test_the_last_file_is_blamed(shipped: Catalog, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("modelserver: {roles: {decode: {replicas: 2}}}\n")
    bad.write_text("\nmodelserver: {roles: {decode: {replicas: -1}}}\n")
    found = problems(shipped, Overrides(files=(good, bad)))
    assert found[0].startswith(f"{bad}:2: modelserver.roles.decode.replicas: ")
    assert compose(shipped, SELECTION, Overrides(files=(bad, good))).roles[1].replicas == 2


def test_mistakes_of_all_files_show_together(shipped: Catalog, tmp_path: Path) -> None:
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text("a: 1\na: 2\n")
    two.write_text("- list\n")
    found = problems(shipped, Overrides(files=(one, two, tmp_path / "three.yaml")))
    assert [line.split(": ")[0] for line in found] == [f"{one}:2", f"{two}:1", str(tmp_path / "three.yaml")]


def test_the_shipped_values_are_not_checked_again(shipped: Catalog) -> None:
    """They were, by tests; a user who sets one good key must not hear of others."""
    recipe = compose(shipped, SELECTION, Overrides(sets=("modelserver.roles.decode.replicas=3",)))
    assert recipe.overridden == {("modelserver", "roles", "decode", "replicas")}
