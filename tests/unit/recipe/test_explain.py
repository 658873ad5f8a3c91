"""Where each value comes from."""

from __future__ import annotations

from llmdctl.model.selection import Overrides, Selection
from llmdctl.recipe import compose, explain
from tests.unit.recipe.conftest import ENGINE


def test_every_layer_of_a_key_in_order(catalog, write, tmp_path) -> None:
    more = "when:\n  - match: {path: plain}\n    values: {modelserver: {roleDefaults: {replicas: 2}}}\n"
    file = tmp_path / "mine.yaml"
    file.write_text("modelserver:\n  roleDefaults:\n    replicas: 3\n")
    changes = Overrides(files=(file,), sets=("modelserver.roleDefaults.replicas=4,modelserver.roleDefaults.args.a=2",))
    loaded = catalog({"facets/engines/fast.yaml": ENGINE.format(name="fast") + "      replicas: 1\n" + more})
    origins = {origin.key: origin for origin in explain(compose(loaded, Selection(path="plain"), changes))}
    engine = f"{write()}/facets/engines/fast.yaml"
    origin = origins["modelserver.roleDefaults.replicas"]
    assert origin.value == 4
    chart, *rest = origin.layers
    assert chart.layer == "chart"
    assert chart.place.startswith("charts/modelserver/values.yaml:")
    assert [(one.layer, one.place.replace(engine, "ENGINE"), one.value) for one in rest] == [
        ("engine", "ENGINE:10", 1),
        ("engine when path=plain", "ENGINE:13", 2),
        ("user", f"{file}:3", 3),
        ("--set", "--set modelserver.roleDefaults.replicas=4,modelserver.roleDefaults.args.a=2", 4),
    ]
    assert origins["modelserver.roleDefaults.args.a"].layers[-1].value == 2


def test_an_expression_shows_its_text_and_its_value(catalog) -> None:
    origins = {origin.key: origin for origin in explain(compose(catalog(), Selection(path="plain")))}
    origin = origins["global.llmd.model.id"]
    assert origin.value == "org/small"
    assert origin.layers[-1].value == "{{ model.id }}"


def test_keys_are_sorted_and_complete(catalog) -> None:
    keys = [origin.key for origin in explain(compose(catalog(), Selection(path="plain")))]
    assert keys == sorted(keys)
    assert "global.llmd.roles.aggregate" in keys  # from `roles:`, though nothing stands under it


def test_set_of_a_list_item_shows_the_whole_list(catalog) -> None:
    changes = Overrides(sets=("modelserver.roleDefaults.extraArgs={x,y}", "modelserver.roleDefaults.extraArgs[1]=z"))
    origins = {origin.key: origin for origin in explain(compose(catalog(), Selection(path="plain"), changes))}
    values = [one.value for one in origins["modelserver.roleDefaults.extraArgs"].layers if one.layer == "--set"]
    assert values == [["x", "y"], ["x", "z"]]
