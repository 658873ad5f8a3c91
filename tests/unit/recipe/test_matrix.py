"""Which combinations the default matrix has, and the reason of each that is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest

from llmdctl import assets
from llmdctl.errors import RecipeError
from llmdctl.model.selection import AXES, Selection
from llmdctl.recipe import Catalog, compose
from llmdctl.recipe.matrix import COMPOSITIONS, candidates, judged, matrix
from llmdctl.recipe.predicates import KINDS, POOL_API
from tests.unit.recipe.conftest import ACCELERATOR, ENGINE, FACTS, MODEL, PATH

EXPERTS = "vocab_size: 1000, num_experts: 8, num_experts_per_tok: 2, moe_intermediate_size: 64"
PLAIN = PATH.format(name="plain", roles="aggregate", first="aggregate")
BIG = ACCELERATOR.format(name="big")
HUGE = ACCELERATOR.format(name="huge")
ISTIO = f"kind: gateway\nname: istio\ntitle: Istio\nfacts: {FACTS['gateway']}\n"
VERSIONS = """\
kind: versions
default: "1"
sets:
  "1":
    title: One
    sources: []
    images: {fast: {nvidia: {registry: r, repository: p, tag: v1, version: "1", sources: []}}}
    prerequisites: {}
    inference_pool_apis: {none: [inference.networking.k8s.io/v1], old: [inference.networking.x-k8s.io/v1alpha2]}
"""
EVIDENCE = """\
kind: evidence
cells:
  - {match: {path: plain, accelerator: big, engine: fast}, level: known-bad, reason: It fails.}
"""
EXCLUDES = """\
excludes:
  - {match: {engine: slow}, reason: Too slow., evidence: known-bad}
  - {match: {engine: slow, path: plain}, reason: Never., evidence: impossible}
"""


def model(name: str, heads: int = 8, **changed: str) -> dict[str, str]:
    text = MODEL.format(name=name, heads=heads)
    for before, after in changed.items():
        text = text.replace(f"{before}: {BEFORE[before]}", f"{before}: {after}")
    return {f"facets/models/{name}.yaml": text}


BEFORE = {"weight_bytes": "1000000", "max_model_len": "1024", "vocab_size": "1000"}


def gateway(name: str) -> dict[str, str]:
    return {f"facets/gateways/{name}.yaml": ISTIO.replace("name: istio", f"name: {name}"), "versions.yaml": VERSIONS}


def fabric(facts: str) -> dict[str, str]:
    text = "kind: fabric\nname: net\ntitle: A net\nfacts: {{rdma: true, resource: '', {}}}\n"
    return {"facets/fabrics/net.yaml": text.format(facts)}


def image(expression: str) -> dict[str, str]:
    written = f'    roleDefaults:\n      image: {{tag: "{{{{ versions.images{expression} }}}}"}}'
    changed = ENGINE.format(name="fast").replace("    roleDefaults:", written)
    return {"facets/engines/fast.yaml": changed, "versions.yaml": VERSIONS}


AMD = {
    "versions.yaml": VERSIONS,
    "facets/accelerators/other.yaml": BIG.replace("name: big", "name: other").replace("vendor: nvidia", "vendor: amd"),
}
REFUSES = {"facets/accelerators/big.yaml": BIG + EXCLUDES}
OWN_COMMAND = {"facets/engines/fast.yaml": ENGINE.format(name="fast").replace("dialect: vllm", "dialect: custom")}
NOTHING = {"facets/engines/fast.yaml": ENGINE.format(name="fast").replace("a: 1", 'a: "{{ nothing }}"')}
NO_CONNECTOR = {"facets/engines/fast.yaml": ENGINE.format(name="fast").replace("nixlv2", '""')}
TENSOR_2 = {"plain/recipe.yaml": PLAIN.replace("tensor: 1", "tensor: 2")}


def path(extra: str) -> dict[str, str]:
    return {"plain/recipe.yaml": PLAIN + extra + "\n"}


@pytest.mark.parametrize(
    ("files", "chosen", "kind", "text"),
    [
        pytest.param(
            path("offers: {engine: [fast]}"), {"engine": "slow"}, "not-offered", "the engine slow", id="offers"
        ),
        pytest.param(REFUSES, {"engine": "slow"}, "excluded", "Never.", id="impossible before known bad"),
        pytest.param(REFUSES, {"engine": "slow", "path": "split"}, "known-bad", "Too slow.", id="known bad"),
        pytest.param({"evidence.yaml": EVIDENCE}, {}, "known-bad", "It fails.", id="evidence"),
        pytest.param(path("needs: {model: moe}"), {}, "needs", "mixture-of-experts", id="dense model"),
        pytest.param(path("needs: {model: media}"), {}, "needs", "images or videos", id="text model"),
        pytest.param(AMD, {"accelerator": "other"}, "no-image", "versions.yaml has nvidia", id="no image"),
        pytest.param(OWN_COMMAND, {}, "no-command", "of your own", id="own command"),
        pytest.param(NO_CONNECTOR, {"path": "split"}, "no-transfer", "no KV connector", id="no connector"),
        pytest.param(
            gateway("istio"), {"gateway": "istio"}, "pool-api", "the nearest is none", id="gateway not listed"
        ),
        pytest.param(gateway("old"), {"gateway": "old"}, "pool-api", POOL_API, id="gateway of an older API"),
        pytest.param(model("huge", weight_bytes="9" * 12), {"model": "huge"}, "weights", "8 x An acc", id="weights"),
        pytest.param(model("long", max_model_len="9" * 10), {"model": "long"}, "context", "one sequence", id="context"),
        pytest.param({**model("odd", 7), **TENSOR_2}, {"model": "odd"}, "parallelism", "7 attention heads", id="heads"),
        pytest.param(NOTHING, {}, "composition", "'nothing' is not defined", id="expression"),
    ],
)
def test_each_reason(catalog, files: Mapping[str, str], chosen: Mapping[str, str], kind: str, text: str) -> None:
    found = judged(catalog(files), full(**chosen))
    assert found.refusal
    assert (found.refusal.kind, found.recipe) == (kind, None)
    assert text in found.refusal.sentence
    assert found.refusal.kind in KINDS
    assert found.refusal.reason.endswith(".")


def full(**chosen: str) -> dict[str, str]:
    base = {"path": "plain", "model": "small", "accelerator": "big", "engine": "fast"}
    return {**base, **dict.fromkeys(AXES[3:], "none"), **chosen}


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        pytest.param({}, {}, id="nothing against it"),
        pytest.param({}, {"engine": "slow", "path": "split"}, id="other choices"),
        pytest.param({}, {"model": "odd"}, id="six heads on one accelerator"),
        pytest.param({**path("needs: {model: moe}"), **model("small", vocab_size=EXPERTS[12:])}, {}, id="experts"),
        pytest.param({"versions.yaml": VERSIONS}, {}, id="listed gateway and image"),
        pytest.param(gateway("none-regional"), {"gateway": "none-regional"}, id="a gateway that extends a listed one"),
        pytest.param({"versions.yaml": VERSIONS.replace("fast:", "else:")}, {}, id="an engine without listed images"),
    ],
)
def test_what_predicates_let_pass(catalog, files: Mapping[str, str], chosen: Mapping[str, str]) -> None:
    assert judged(catalog(files), full(**chosen)).recipe


@pytest.mark.parametrize(
    ("files", "chosen", "text"),
    [
        (path("needs: {model: moe}"), {}, "mixture-of-experts"),
        (fabric("platforms: [gke]"), {"fabric": "net"}, "not for none"),
        (gateway("istio"), {"gateway": "istio"}, "the nearest is none"),
    ],
)
def test_what_nothing_repairs_is_refused_when_composing_too(catalog, files, chosen, text: str) -> None:
    with pytest.raises(RecipeError, match="cannot work") as refused:
        compose(catalog(files), Selection(path="plain", **chosen))
    assert text in refused.value.problems[0].message


def test_pairs_of_the_grid_and_each_other_facet_once_at_the_default_cell(catalog) -> None:
    loaded = catalog({"facets/gateways/istio.yaml": ISTIO, "facets/accelerators/huge.yaml": HUGE})
    chosen = [
        {axis: name for axis, name in names.items() if axis != "path" and name != "none"}
        for names in candidates(loaded, loaded.path("plain"))
    ]
    grid = [(m, a, "fast") for m in ("odd", "small") for a in ("big", "huge")]
    grid += [("odd", "big", "slow"), ("small", "big", "slow"), ("small", "huge", "slow")]  # odd on huge by slow is none
    expected = [dict(zip(("model", "accelerator", "engine"), names, strict=True)) for names in grid]
    expected.append({"model": "small", "accelerator": "big", "engine": "fast", "gateway": "istio"})
    assert sorted(chosen, key=str) == sorted(expected, key=str)


def test_a_facet_that_asks_for_another_gets_it_as_a_companion(catalog) -> None:
    needy = ISTIO + "excludes:\n  - {match: {platform: none}, reason: Only on cloud., evidence: impossible}\n"
    cloud = "kind: platform\nname: cloud\ntitle: Cloud\nfacts: {}\n"
    loaded = catalog({"facets/gateways/istio.yaml": needy, "facets/platforms/cloud.yaml": cloud})
    kept = [cell.names for cell in matrix(loaded, ("plain",)) if cell.recipe]
    assert [names["platform"] for names in kept if names["gateway"] == "istio"] == ["cloud"]


def test_defaults_that_follow_from_a_choice(catalog) -> None:
    fast = "kind: fabric\nname: fastnet\ntitle: Fast\nfacts: {rdma: true, resource: ''}\n"
    follows = PLAIN + "defaults_for:\n  - {match: {accelerator: big, engine: slow}, defaults: {fabric: fastnet}}\n"
    loaded = catalog({"facets/fabrics/fastnet.yaml": fast, "plain/recipe.yaml": follows})
    assert compose(loaded, Selection(path="plain")).facets["fabric"] == "none"
    assert compose(loaded, Selection(path="plain", engine="slow")).facets["fabric"] == "fastnet"
    assert compose(loaded, Selection(path="plain", engine="slow", fabric="none")).facets["fabric"] == "none"
    grid = {(names["engine"], names["fabric"]) for names in candidates(loaded, loaded.path("plain"))}
    assert grid == {("fast", "none"), ("slow", "fastnet"), ("fast", "fastnet")}


def test_a_name_in_defaults_for_that_nothing_has_is_a_mistake(catalog) -> None:
    wrong = PLAIN + "defaults_for:\n  - {match: {accelerator: bog}, defaults: {fabric: nune}}\n"
    with pytest.raises(RecipeError) as refused:
        catalog({"plain/recipe.yaml": wrong})
    assert [problem.path for problem in refused.value.problems] == [
        "defaults_for[0].match.accelerator",
        "defaults_for[0].defaults.fabric",
    ]


def test_the_shipped_matrix_has_every_path_and_only_reasons_in_words() -> None:
    loaded = Catalog.load([assets.paths()])
    kept: Counter[str] = Counter()
    for path in loaded.paths:  # predicates alone: composing all of them is for the benchmark and the real API server
        for names in candidates(loaded, path):
            assert set(names) == {"path", *AXES}
        kept[path.name] += 1
        assert judged(loaded, {"path": path.name, **path.defaults}).recipe, f"the default cell of {path.name}"
    assert set(kept) == set(loaded.names("path"))


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_the_compositions_name_facets_that_exist(composition: Mapping[str, str]) -> None:
    loaded = Catalog.load([assets.paths()])
    assert {axis: name for axis, name in composition.items() if name not in loaded.names(axis)} == {}


def test_the_api_of_the_pool_is_the_chart_s() -> None:
    template = (assets.charts() / "scheduler" / "templates" / "inferencepool.yaml").read_text()
    assert f"apiVersion: {POOL_API}" in template
    assert POOL_API in Catalog.load([assets.paths()]).versions.chosen["inference_pool_apis"]["standalone"]
