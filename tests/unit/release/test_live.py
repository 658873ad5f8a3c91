"""What a linter is given of a live namespace."""

from __future__ import annotations

from llmdctl.errors import ForbiddenError
from llmdctl.lint import lint_objects
from llmdctl.release import live_objects
from tests.fakes.cluster import FakeCluster

WORKLOAD = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "model", "namespace": "demo", "uid": "1"},
    "spec": {
        "replicas": 1,
        "template": {
            "spec": {
                "containers": [
                    {"name": "engine", "image": "vllm/vllm-openai:v0.23.0", "args": ["model", "--no-such-flag"]},
                ]
            }
        },
    },
}


def test_objects_of_the_namespace_are_judged_like_manifests() -> None:
    elsewhere = {**WORKLOAD, "metadata": {"name": "other", "namespace": "other"}}
    live = live_objects(FakeCluster(WORKLOAD, elsewhere), "demo")
    assert [item["metadata"]["name"] for item in live.objects] == ["model"]
    assert [finding.code for finding in lint_objects(live.objects).findings] == ["LD1701"]
    assert live.forbidden == ()


def test_a_kind_that_may_not_be_read_is_named() -> None:
    cluster = FakeCluster(WORKLOAD)
    cluster.fail("list_objects", ForbiddenError("no"))
    live = live_objects(cluster, "demo")
    assert len(live.forbidden) == 1
