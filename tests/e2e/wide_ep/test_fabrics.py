"""What a fabric adds to pods, claims and domains is accepted by the real API server: strict, dry run."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from llmdctl import assets
from llmdctl.errors import LlmdctlError
from llmdctl.helm import open_renderer
from llmdctl.kube import connect
from llmdctl.model.selection import Overrides, Selection
from llmdctl.recipe import Catalog, compose
from llmdctl.values import build

pytestmark = pytest.mark.e2e

CELLS: list[tuple[str, dict[str, str]]] = [
    ("pd-disaggregation", {"fabric": "efa", "platform": "eks"}),
    ("pd-disaggregation", {"fabric": "gke-dra", "platform": "gke"}),
    ("pd-disaggregation", {"fabric": "none"}),
    ("pd-disaggregation", {"fabric": "oci-sriov", "accelerator": "mi300x"}),
    ("pd-disaggregation", {"fabric": "openshift-roce", "platform": "openshift"}),
    ("pd-disaggregation", {"fabric": "rdma-dranet"}),
    ("pd-disaggregation", {"fabric": "rdma-dranet", "accelerator": "xpu-b60", "model": "llama-3.1-8b"}),
    ("pd-disaggregation", {"fabric": "rdma-ib"}),
    ("pd-disaggregation", {"fabric": "tpu-ici", "accelerator": "tpu-v7x"}),
    ("pd-disaggregation", {"fabric": "xpu-tcp", "accelerator": "xpu-b60", "model": "llama-3.1-8b"}),
    ("tpu-mixed-batching", {"accelerator": "tpu-v5e"}),
    ("tpu-mixed-batching", {"accelerator": "tpu-v7x", "model": "qwen3-coder-480b-fp8"}),
    ("wide-ep", {"accelerator": "gb200"}),
    ("wide-ep", {"accelerator": "h100", "platform": "coreweave"}),
    ("wide-ep", {"fabric": "gke-multi-network", "platform": "gke"}),
    ("wide-ep", {"platform": "eks"}),
    ("wide-ep", {"prefix_index": "precise"}),
]


@pytest.mark.parametrize(
    ("path", "chosen"), CELLS, ids=lambda value: value if isinstance(value, str) else "-".join(value.values())
)
def test_what_a_fabric_adds_is_accepted(path: str, chosen: dict[str, str], plane) -> None:
    namespace = plane.namespace("fabric")
    recipe = compose(Catalog.load([assets.paths()]), Selection(path=path, **chosen), Overrides())
    objects = open_renderer().render(build(recipe, name="fabric", namespace=namespace)).objects
    cluster = connect(kubeconfig=plane.kubeconfig)

    def refused(item: Any) -> str | None:
        try:
            cluster.apply(item, dry_run=True)
        except LlmdctlError as error:
            return f"{item['kind']}/{item['metadata']['name']}: {error.message}"
        return None

    assert [said for item in objects if (said := refused(item))] == []
    kinds = Counter(item["kind"] for item in objects)
    assert kinds["ComputeDomain"] == (1 if recipe.facets["fabric"] == "mnnvl" else 0)
    assert bool(kinds["ResourceClaimTemplate"]) == recipe.facets["fabric"].endswith(("dra", "dranet"))
