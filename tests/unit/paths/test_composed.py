"""Every cell of the default matrix: it composes, or it is left out with a reason; and what composes is consistent.

All cells together are the page of the matrix, which is compared here, where they are composed anyway.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from llmdctl import assets
from llmdctl.errors import RecipeError
from llmdctl.model.recipe import Recipe
from llmdctl.model.selection import AXES, Overrides, Selection
from llmdctl.recipe import REFUSAL_KINDS, Catalog, compose, matrix
from llmdctl.recipe.reader import read
from llmdctl.recipe.schema import load, problems_of
from llmdctl.values import contradictions
from tests.unit.paths import data
from tests.unit.paths.page import PAGE, RECORD, Row, page


def test_every_file_follows_its_schema() -> None:
    assert catalog().problems() == ()
    for name in ("evidence", "versions"):
        document = read(assets.paths() / f"{name}.yaml")
        assert problems_of(document, load(assets.schemas() / f"{name}.schema.json")) == []


@cache
def catalog() -> Catalog:
    return Catalog.load([assets.paths()])


def try_compose(path: str, chosen: Mapping[str, str], *, force: bool = False) -> Recipe | RecipeError:
    try:
        return compose(catalog(), Selection(path=path, **chosen), Overrides(force=force))
    except RecipeError as refused:
        return refused


PATHS = sorted(data.recipes())


@pytest.mark.parametrize("path", PATHS)
def test_every_cell_of_the_default_matrix_composes_or_is_left_out_with_a_reason(path: str) -> None:
    assert any(row.refusal is None for row in rows(path))


@cache
def rows(path: str) -> tuple[Row, ...]:
    """What the page says of each cell of a path, all of which are right."""
    found = []
    for cell in matrix(catalog(), (path,), contradictions):
        if cell.recipe:
            assert_consistent(cell.recipe)
        else:
            assert cell.refusal
            assert cell.refusal.kind in REFUSAL_KINDS, cell.names
            assert cell.refusal.reason.endswith("."), cell.refusal
            assert cell.refusal.kind != "composition", f"{cell.names}: {cell.refusal.reason}"
        found.append(Row(names=cell.names, evidence=cell.evidence, refusal=cell.refusal))
    return tuple(found)


def test_the_page_of_the_matrix_is_up_to_date() -> None:
    cells = [row for path in catalog().names("path") for row in rows(path)]
    wanted = page(cells, catalog(), json.loads(RECORD.read_text(encoding="utf-8")))
    assert PAGE.read_text(encoding="utf-8") == wanted, "run make update"


def assert_consistent(recipe: Recipe) -> None:
    where = f"{recipe.path} {recipe.facets}"
    values = recipe.values
    model, accelerator = recipe.facts["model"], recipe.facts["accelerator"]
    for _, leaf in data.leaves(values):
        assert "{{" not in str(leaf), where
    for role in recipe.roles:
        assert model["config"]["num_attention_heads"] % role.tensor == 0, where
        assert role.accelerators_per_pod <= max(1, accelerator["count_per_node"]), where
    image = values["modelserver"]["roleDefaults"]["image"]
    assert all(image[part] for part in ("registry", "repository", "tag")), where
    assert values["gateway"]["enabled"] == (values["global"]["llmd"]["mode"] == "gateway"), where
    autoscaled = {role.name for role in recipe.roles if role.autoscaled}
    assert autoscaled == set(values["autoscaling"].get("roles", {})), where
    assert bool(autoscaled) == values["autoscaling"]["enabled"], where
    if (recipe.facts["autoscaler"].get("needs") or {}).get("flow_control"):
        assert values["global"]["llmd"]["flowControl"], where
    if recipe.facets["autoscaler"].startswith("keda"):
        assert values["autoscaling"]["prometheus"]["serverAddress"], where
    tensor = {role.name: role.tensor for role in recipe.roles}
    if "prefill" in tensor and accelerator["vendor"] in ("nvidia", "amd"):
        assert tensor["prefill"] <= tensor["decode"], f"NIXL cannot hand blocks from more to fewer: {where}"
        assert_disaggregated(recipe, values["modelserver"])


def assert_disaggregated(recipe: Recipe, modelserver: Mapping[str, Any]) -> None:
    defaults, roles = modelserver["roleDefaults"], modelserver["roles"]
    match recipe.facets["engine"]:
        case "vllm":
            assert defaults["kvConnectors"]["nixl"]["kv_connector"] == "NixlConnector"
            host = defaults["env"]["VLLM_NIXL_SIDE_CHANNEL_HOST"]
            assert host["valueFrom"]["fieldRef"]["fieldPath"] == "status.podIP"
            assert modelserver["routingSidecar"]["connector"] == "nixlv2"
        case "sglang":
            assert {role: roles[role]["args"]["disaggregation-mode"] for role in roles} == {
                "decode": "decode",
                "prefill": "prefill",
            }
            assert modelserver["routingSidecar"]["connector"] == "sglang"
        case other:
            pytest.fail(f"unknown engine {other}")


REFUSED = [
    ("pd-disaggregation", {"accelerator": "cpu"}, "GPU to GPU", False),
    ("pd-disaggregation", {"accelerator": "l4"}, "RDMA", True),
    ("pd-disaggregation", {"accelerator": "mi300x", "engine": "sglang"}, "ROCm", True),
    ("pd-disaggregation", {"fabric": "gke-dra"}, "--platform gke", False),
    ("pd-disaggregation", {"fabric": "efa", "platform": "gke"}, "EC2", False),
    ("pd-disaggregation", {"fabric": "rdma-ib", "platform": "gke"}, "gke-dra", True),
    ("optimized-baseline", {"accelerator": "cpu"}, "llama-3.1-8b", True),
    ("optimized-baseline", {"accelerator": "cpu", "engine": "sglang", "model": "llama-3.1-8b"}, "SGLang", False),
    ("optimized-baseline", {"accelerator": "cpu", "model": "gpt-oss-120b"}, "MXFP4", False),
    ("optimized-baseline", {"accelerator": "l4", "engine": "sglang", "model": "gpt-oss-120b"}, "MXFP4", False),
    ("optimized-baseline", {"gateway": "gke"}, "--platform gke", False),
    ("optimized-baseline", {"autoscaler": "keda-queue"}, "--metrics prometheus-operator", True),
    ("optimized-baseline", {"accelerator": "mi300x", "platform": "eks"}, "MI300X", False),
]


@pytest.mark.parametrize(("path", "chosen", "reason", "forceable"), REFUSED)
def test_what_is_refused_and_whether_force_helps(
    path: str, chosen: dict[str, str], reason: str, *, forceable: bool
) -> None:
    refused = try_compose(path, chosen)
    assert isinstance(refused, RecipeError)
    assert any(reason in problem.message for problem in refused.problems), refused.problems
    assert isinstance(try_compose(path, chosen, force=True), Recipe) == forceable


TENSOR = [
    ("optimized-baseline", {}, {"aggregate": (8, 2)}),
    ("optimized-baseline", {"accelerator": "h100"}, {"aggregate": (8, 2)}),
    ("optimized-baseline", {"accelerator": "l4"}, {"aggregate": (8, 4)}),
    ("optimized-baseline", {"accelerator": "l4", "model": "gpt-oss-120b"}, {"aggregate": (8, 4)}),
    ("optimized-baseline", {"accelerator": "h100", "model": "gpt-oss-120b"}, {"aggregate": (8, 2)}),
    ("optimized-baseline", {"accelerator": "cpu", "model": "llama-3.1-8b"}, {"aggregate": (2, 1)}),
    ("pd-disaggregation", {}, {"prefill": (8, 1), "decode": (2, 4)}),
    ("pd-disaggregation", {"accelerator": "h100"}, {"prefill": (8, 2), "decode": (2, 4)}),
    ("pd-disaggregation", {"accelerator": "mi300x"}, {"prefill": (8, 1), "decode": (2, 4)}),
]


@pytest.mark.parametrize(("path", "chosen", "expected"), TENSOR)
def test_replicas_and_tensor_parallelism(
    path: str, chosen: dict[str, str], expected: dict[str, tuple[int, int]]
) -> None:
    recipe = compose(catalog(), Selection(path=path, **chosen), Overrides())
    assert {role.name: (role.replicas, role.tensor) for role in recipe.roles} == expected


def test_a_disaggregated_cell_without_rdma_says_that_it_uses_tcp() -> None:
    plain = compose(catalog(), Selection(path="pd-disaggregation"), Overrides())
    assert any("TCP" in warning for warning in plain.warnings)
    fast = compose(catalog(), Selection(path="pd-disaggregation", fabric="rdma-ib"), Overrides())
    assert not fast.warnings


def test_efa_takes_its_own_image_and_backend() -> None:
    selection = Selection(path="pd-disaggregation", fabric="efa", platform="eks", accelerator="b200")
    defaults = compose(catalog(), selection, Overrides()).values["modelserver"]["roleDefaults"]
    assert defaults["image"]["tag"].endswith("-ec2")
    assert defaults["kvConnectors"]["nixl"] == {
        "kv_connector": "NixlConnector",
        "kv_connector_extra_config": {"backends": ["LIBFABRIC"]},
        "kv_role": "kv_both",
    }
    assert defaults["fabric"]["resourcesPerAccelerator"] == {"vpc.amazonaws.com/efa": 1}


@pytest.mark.parametrize("cell", data.cells(), ids=lambda cell: " ".join(map(str, cell["match"].values())))
def test_a_cell_with_evidence_composes_and_claims_no_more_than_it_shows(cell: dict[str, Any]) -> None:
    match = cell["match"]
    assert {"accelerator", "engine", "path"} <= set(match) <= {"path", *AXES}
    assert list(match) == sorted(match)
    assert all(isinstance(name, str) for name in match.values()), "an entry names one cell: a values file is made of it"
    chosen = {axis: name for axis, name in match.items() if axis != "path"}
    recipe = compose(catalog(), Selection(path=match["path"], **chosen), Overrides())
    assert recipe.evidence.reason == cell["reason"]
    assert cell["link"].startswith("https://")
    assert cell["reason"].endswith(".")
    assert bool(recipe.evidence.differences) == (recipe.evidence.level == "derived")
    assert cell["level"] == recipe.evidence.level or cell.get("run"), "a proven level is compared with its run"


@pytest.mark.parametrize("cell", data.cells(), ids=lambda cell: " ".join(map(str, cell["match"].values())))
def test_each_pod_of_a_cell_with_evidence_fits_on_one_node(cell: dict[str, Any]) -> None:
    chosen = {axis: name for axis, name in cell["match"].items() if axis != "path"}
    recipe = compose(catalog(), Selection(path=cell["match"]["path"], **chosen), Overrides())
    node = data.facets("accelerator")[recipe.facets["accelerator"]]["node"]["allocatable"]
    for role in recipe.roles:
        resources = recipe.values["modelserver"]["roles"][role.name]["resources"]
        for name, amount in resources["requests"].items():
            assert data.quantity(amount) <= data.quantity(node[name]), f"{role.name}: {name}"
        assert data.quantity(resources["requests"]["memory"]) <= data.quantity(resources["limits"]["memory"])
        # /dev/shm counts as memory of the pod: 2 GiB and 8 GiB for each accelerator, by the chart's own rule.
        assert (2 + 8 * role.tensor) * 2**30 < data.quantity(resources["limits"]["memory"])


def test_the_default_cell_of_every_path_has_evidence() -> None:
    known = {tuple(cell["match"][axis] for axis in ("path", "accelerator", "engine")) for cell in data.cells()}
    for name, recipe in data.recipes().items():
        assert (name, recipe["defaults"]["accelerator"], recipe["defaults"]["engine"]) in known
