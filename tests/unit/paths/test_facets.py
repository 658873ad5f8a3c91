"""Each facet and path by itself: named, sourced, disjoint, with flags that the engine has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from llmdctl.model.selection import AXES
from tests.unit.paths import data

FILES = [*data.facet_files(), *data.recipe_files()]
NAMES = {axis: set(data.facets(axis)) for axis in AXES} | {
    "path": set(data.recipes()),
    "role": {"aggregate", "decode", "encode", "prefill"},
}
FLAGS = {
    engine: {
        line for line in (Path(__file__).parent / "flags" / f"{engine}.txt").read_text().splitlines() if line[0] != "#"
    }
    for engine in ("custom", "sglang", "trtllm", "vllm")
}


def label(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def blocks(document: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(match, values) of the base and of every `when:` block."""
    return [({}, document["values"]), *((block["match"], block["values"]) for block in document.get("when", ()))]


@pytest.mark.parametrize("path", FILES, ids=label)
def test_a_file_is_named_as_it_says(path: Path) -> None:
    document = data.read(path)
    if path.name == "recipe.yaml":
        assert (document["kind"], document["name"]) == ("path", path.parent.name)
    else:
        assert (document["kind"], document["name"]) == (data.FOLDERS[path.parent.name], path.stem)
    assert document["title"].strip()


@pytest.mark.parametrize("path", FILES, ids=label)
def test_a_file_names_public_sources(path: Path) -> None:
    document = data.read(path)
    if document["name"] != "none" or document["kind"] == "fabric":
        assert document["sources"], "facts need a source"
    assert all(re.fullmatch(r"https://[a-z0-9.-]+/.*", source) for source in document["sources"])


@pytest.mark.parametrize("path", FILES, ids=label)
def test_conditions_name_things_that_exist(path: Path) -> None:
    document = data.read(path)
    for entry in [*document.get("when", ()), *document.get("excludes", ())]:
        for axis, names in entry["match"].items():
            assert axis != document["kind"], "the file's own axis is implied"
            unknown = set(data.as_list(names)) - NAMES[axis]
            assert not unknown, f"{axis}: {unknown}"
            assert data.as_list(names) == sorted(data.as_list(names))


@pytest.mark.parametrize("path", FILES, ids=label)
def test_an_exclusion_gives_a_reason_and_says_whether_force_helps(path: Path) -> None:
    for entry in data.read(path).get("excludes", ()):
        assert entry["evidence"] in {"impossible", "known-bad"}
        assert entry["reason"].strip().endswith("."), entry["reason"]


def test_layers_own_disjoint_keys() -> None:
    owners: dict[tuple[str, ...], str] = {}
    for document in map(data.read, FILES):
        for key, _ in data.leaves(document["values"]):
            owner = owners.setdefault(key, document["kind"])
            assert owner == document["kind"], f"{'.'.join(key)}: set by {owner} and by {document['kind']}"


@pytest.mark.parametrize("path", FILES, ids=label)
def test_keys_of_a_map_are_sorted_where_order_means_nothing(path: Path) -> None:
    for _, values in blocks(data.read(path)):
        for name in ("args", "env", "scorers", "triggers"):
            for found in maps_called(name, values):
                assert list(found) == sorted(found), f"{name}: {list(found)}"


def maps_called(name: str, value: object) -> list[dict[str, Any]]:
    if not isinstance(value, dict):
        return []
    found = [inner for key, inner in value.items() if key == name and isinstance(inner, dict)]
    return found + [match for inner in value.values() for match in maps_called(name, inner)]


@pytest.mark.parametrize("path", FILES, ids=label)
def test_flags_exist_in_the_pinned_and_in_the_newest_engine(path: Path) -> None:
    document = data.read(path)
    for match, values in blocks(document):
        named = [document["name"]] if document["kind"] == "engine" else data.as_list(match.get("engine", []))
        args = {flag for found in maps_called("args", values) for flag in found}
        assert not args or named, f"flags of no engine in particular: {args}"
        for engine in named:
            assert args <= FLAGS[engine], f"{engine}: {sorted(args - FLAGS[engine])}"


@pytest.mark.parametrize("engine", ["sglang", "trtllm", "vllm"])
def test_flags_that_the_chart_writes_exist(engine: str) -> None:
    names = data.facets("engine")[engine]["values"]["modelserver"]["engine"]
    joins = {flag for flag in names["multiNode"].values() if isinstance(flag, str)}
    written = {*names["flags"].values(), names["modelFlag"], *joins} - {""}
    assert {flag.removeprefix("--") for flag in written} <= FLAGS[engine]


@pytest.mark.parametrize("engine", ["custom", "sglang", "trtllm", "vllm"])
def test_containers_drop_what_the_image_does_not_need(engine: str) -> None:
    defaults = data.facets("engine")[engine]["values"]["modelserver"]["roleDefaults"]
    assert defaults["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert defaults["podSecurityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


def test_prerequisites_are_described_in_the_version_set() -> None:
    known = data.versions()["prerequisites"]
    for document in map(data.read, FILES):
        needs = document.get("prerequisites", {"crds": [], "controllers": []})
        assert set(needs["crds"]) <= {name for name, entry in known.items() if entry["crds"]}
        assert set(needs["controllers"]) <= {name for name, entry in known.items() if entry["kind"] != "crds"}


def test_a_path_offers_and_defaults_to_facets_that_exist() -> None:
    for recipe in data.recipes().values():
        assert set(recipe["defaults"]) == set(AXES)
        for axis, name in recipe["defaults"].items():
            assert name in NAMES[axis]
        for axis, names in recipe.get("offers", {}).items():
            assert set(names) <= NAMES[axis]
            assert recipe["defaults"][axis] in names
