"""Which pods of a LeaderWorkerSet group are asked: all where all are endpoints, else the leader."""

from __future__ import annotations

from typing import Any

import pytest

from llmdctl.release.verify.looking import engine_pods
from llmdctl.release.verify.stack import Stack
from tests.fakes.cluster import FakeCluster
from tests.unit.verify.world import NS, engine, labels, meta

INDEX = "leaderworkerset.sigs.k8s.io/worker-index"
ALL = {"app.kubernetes.io/instance": "pd"}


def _group(**templates: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": labels("decode")}, "spec": {"containers": [engine(8000)]}}
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "metadata": meta("pd-decode", "decode"),
        "spec": {"replicas": 1, "leaderWorkerTemplate": {"size": 2, "workerTemplate": template} | templates},
    }  # fmt: skip


def _pool(selector: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "inference.networking.k8s.io/v1", "kind": "InferencePool", "metadata": meta("pd", "epp"),
        "spec": {"selector": {"matchLabels": selector}, "targetPorts": [{"number": 8000}]},
    }  # fmt: skip


OWN = {"metadata": {"labels": labels("decode")}, "spec": {"containers": [engine(8000)]}}


@pytest.mark.parametrize(
    ("objects", "asked"),
    [
        pytest.param([_group(), _pool(ALL)], ["pd-decode-0", "pd-decode-0-1"], id="every pod is an endpoint"),
        pytest.param([_group(), _pool({**ALL, INDEX: "0"})], ["pd-decode-0"], id="the pool takes leaders"),
        pytest.param([_group(leaderTemplate=OWN), _pool(ALL)], ["pd-decode-0"], id="leaders of their own kind"),
        pytest.param([_group()], ["pd-decode-0"], id="no pool says so"),
    ],
)
def test_of_a_group_those_are_asked_that_are_endpoints(objects: list[dict[str, Any]], asked: list[str]) -> None:
    cluster = FakeCluster()
    for name, index in (("pd-decode-0", "0"), ("pd-decode-0-1", "1")):
        pod = meta(name, "decode")
        pod["labels"] = {**pod["labels"], INDEX: index}
        cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": pod, "spec": OWN["spec"], "status": {}})
    stack = Stack(objects=objects, namespace=NS)
    assert [pod.name for pod in engine_pods(cluster, stack)] == asked
    assert [role.members for role in stack.roles] == [len(asked)]
