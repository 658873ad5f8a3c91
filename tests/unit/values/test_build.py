"""From a composed recipe to a release: computed sizes, who wins, and what contradicts."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from llmdctl import assets
from llmdctl.errors import RecipeError, UsageError
from llmdctl.memory import cache_bytes
from llmdctl.merge import apply_set
from llmdctl.model.selection import Overrides, Selection
from llmdctl.recipe import Catalog, compose, explain
from llmdctl.recipe.evaluation import ROLE_KEYS
from llmdctl.recipe.reader import read
from llmdctl.values import build, complete, computed_layer
from llmdctl.values.sizing import host_memory_bytes, startup_s

GIB = 2**30


@pytest.fixture(scope="module")
def shipped() -> Catalog:
    return Catalog.load([assets.paths()])


def composed(catalog: Catalog, *sets: str, path: str = "pd-disaggregation", **facets: str):
    return compose(catalog, Selection(path=path, **facets), Overrides(sets=sets))


@pytest.mark.parametrize(("weight_bytes", "seconds"), [(0, 900), (16_060_522_496, 1500), (65_248_815_744, 3300)])
def test_startup(weight_bytes: int, seconds: int) -> None:
    assert startup_s(weight_bytes) == seconds


def test_cache() -> None:
    assert cache_bytes(10 * GIB) == 11 * GIB
    assert cache_bytes(1) == GIB


@pytest.mark.parametrize(
    ("accelerators", "shm", "weights", "gib"),
    [(1, 0, 99 * GIB, 26), (4, 0, 0, 50), (8, 0, 0, 80), (8, GIB, 0, 17), (0, 0, 30 * GIB, 48)],
)
def test_host_memory(accelerators: int, shm: int, weights: int, gib: int) -> None:
    assert host_memory_bytes(accelerators, shm_bytes=shm, weight_bytes=weights) == gib * GIB


def test_release(shipped: Catalog) -> None:
    spec = build(composed(shipped), name="mine", namespace="serving")
    assert (spec.name, spec.namespace, spec.recipe) == ("mine", "serving", "pd-disaggregation")
    assert spec.chart == assets.charts() / "llmd"
    assert spec.values["modelserver"]["sizing"] == {
        "acceleratorsPerNode": 8,
        "attentionHeads": 64,
        "cacheBytes": 67 * GIB,
        "model": "openai/gpt-oss-120b",
        "startupSeconds": 3300,
        "weightBytes": 65248815744,
    }
    assert spec.startup_s == 3300
    assert "gaie" in [prerequisite.name for prerequisite in spec.prerequisites]
    assert spec.facets["accelerator"] == "h200"


def test_values_do_not_depend_on_names(shipped: Catalog) -> None:
    recipe = composed(shipped)
    one, two = build(recipe, name="a", namespace="b"), build(recipe, name="c", namespace="d")
    assert one.values == two.values == complete(recipe)


def test_role_defaults_are_not_baked_into_roles(shipped: Catalog) -> None:
    recipe = composed(shipped, "modelserver.roleDefaults.args.x=1")
    for role in complete(recipe)["modelserver"]["roles"].values():
        assert "x" not in role.get("args", {})


@pytest.mark.parametrize(
    "setting",
    [
        "modelserver.model.source=pvc",
        "modelserver.roles.decode.parallelism.tensor=8",
        "modelserver.roles.decode.replicas=1",
        "global.llmd.mode=gateway",
        "modelserver.roleDefaults.maxModelLen=4096",
        "modelserver.roleDefaults.args.gpu-memory-utilization=0.5",
    ],
)
def test_a_setting_means_the_same_without_the_tool(shipped: Catalog, setting: str) -> None:
    """Plain Helm lays it over the kept values file; nothing that is computed may shift under it."""
    kept = complete(composed(shipped))
    assert complete(composed(shipped, setting)) == apply_set(setting, kept)


def test_the_users_size_wins(shipped: Catalog) -> None:
    recipe = composed(shipped, "modelserver.sizing.startupSeconds=7200", "modelserver.sizing.cacheBytes=0")
    sizing = complete(recipe)["modelserver"]["sizing"]
    assert (sizing["startupSeconds"], sizing["cacheBytes"]) == (7200, 0)
    assert build(recipe, name="x", namespace="y").startup_s == 7200


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("modelserver.sizing.attentionHeads=40", "40 contradicts the chosen model, for which it is 64."),
        ("modelserver.sizing.acceleratorsPerNode=4", "4 contradicts the chosen accelerator, for which it is 8."),
        ("modelserver.sizing.model=a/b", "'a/b' contradicts the chosen model, for which it is openai/gpt-oss-120b."),
    ],
)
def test_sizes_that_contradict_the_facts(shipped: Catalog, setting: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        complete(composed(shipped, setting))
    problem = caught.value.problems[0]
    assert (problem.message, problem.file) == (message, f"--set {setting}")
    assert problem.path == setting.partition("=")[0]


def test_another_model_leaves_its_sizes_open(shipped: Catalog) -> None:
    recipe = composed(shipped, "global.llmd.model.id=other/model")
    assert complete(recipe)["modelserver"]["sizing"] == {"acceleratorsPerNode": 8}
    assert any("The model is not that of the facet gpt-oss-120b" in warning for warning in recipe.warnings)


def test_another_device_leaves_its_count_open(shipped: Catalog) -> None:
    recipe = composed(shipped, "modelserver.roleDefaults.accelerator.resource=example.com/npu")
    assert "acceleratorsPerNode" not in complete(recipe)["modelserver"]["sizing"]


@pytest.mark.parametrize(
    ("sets", "memory"),
    [
        ((), None),  # the path says it for each role
        (("modelserver.roles.decode.resources=null",), "50Gi"),  # 16 + (2 + 4 x 8)
        (("modelserver.roles.decode.resources=null", "modelserver.roleDefaults.shmBytes=1073741824"), "17Gi"),
        (
            ("modelserver.roles.decode.resources=null", "modelserver.roleDefaults.resources.requests.memory=9Gi"),
            "9Gi",
        ),
    ],
)
def test_memory_is_computed_where_nobody_says_it(shipped: Catalog, sets: tuple[str, ...], memory: str | None) -> None:
    defaults = complete(composed(shipped, *sets))["modelserver"]["roleDefaults"]
    assert defaults.get("resources", {}).get("requests", {}).get("memory") == memory


def test_what_is_computed_is_explained(shipped: Catalog) -> None:
    recipe = composed(shipped, "modelserver.sizing.startupSeconds=7200")
    origins = {origin.key: origin for origin in explain(recipe, computed_layer(recipe))}
    weights = origins["modelserver.sizing.weightBytes"]
    assert weights.value == 65248815744
    assert [(one.layer, one.place) for one in weights.layers][1:] == [
        ("computed", "facts of model gpt-oss-120b and accelerator h200")
    ]
    startup = origins["modelserver.sizing.startupSeconds"]
    assert (startup.value, [one.layer for one in startup.layers]) == (7200, ["chart", "computed", "--set"])


def test_keys_have_one_order(shipped: Catalog) -> None:
    values = complete(composed(shipped))
    assert list(values)[:2] == ["global", "gateway"]
    assert list(values["modelserver"]) == sorted(values["modelserver"])


@pytest.mark.parametrize(
    ("name", "message", "remedy"),
    [
        (
            "My_Release",
            "'My_Release' is no name for a release: use small letters, digits and '-'.",
            "For example 'my-release'.",
        ),
        ("-", "'-' is no name for a release: use small letters, digits and '-'.", None),
        ("x" * 54, f"The release '{'x' * 54}' has 54 characters; 53 are allowed.", None),
    ],
)
def test_names(shipped: Catalog, name: str, message: str, remedy: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        build(composed(shipped), name=name, namespace="default")
    assert (caught.value.message, caught.value.remedy) == (message, remedy)


def test_namespace(shipped: Catalog) -> None:
    with pytest.raises(UsageError, match="is no name for a namespace"):
        build(composed(shipped), name="x", namespace="A B")


def test_what_the_package_takes_for_granted_is_the_charts_default() -> None:
    """RoleSpec falls back to these numbers where no layer states one; the chart must render with the same."""
    chart = read(assets.charts() / "modelserver" / "values.yaml").value
    for path, default in ROLE_KEYS.values():
        found = chart["roleDefaults"]
        for step in path:
            found = found[step]
        assert found == default, path
    assert chart["sizing"]["startupSeconds"] == 3600
    umbrella = read(assets.charts() / "llmd" / "values.yaml").value
    assert umbrella["global"]["llmd"]["eppVersion"] == "0.9"


def generator():
    file = Path(assets.root()) / "tools" / "generate_values.py"
    spec = importlib.util.spec_from_file_location("generate_values", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_kept_values_files_are_what_the_recipes_give(shipped: Catalog) -> None:
    """`make update` writes them."""
    folder = assets.paths()
    kept = {file.relative_to(folder): file.read_text() for file in folder.glob("*/values.yaml")}
    kept |= {file.relative_to(folder): file.read_text() for file in folder.glob("*/values/*.yaml")}
    assert kept == dict(generator().generated_files(shipped))


def test_kept_values_files_read_back_as_composed(shipped: Catalog) -> None:
    for file in assets.paths().glob("*/values.yaml"):
        recipe = compose(shipped, Selection(path=file.parent.name))
        assert read(file).value == complete(recipe)
