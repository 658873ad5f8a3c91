"""What clients notice when pods come, go and die: nothing, where there was time to drain."""

from __future__ import annotations

import time

import pytest

from tests.e2e.datapath.load import Load, running
from tests.e2e.datapath.serving import Serving, settled
from tests.e2e.sandbox.objects import DEPLOYMENTS, PODS, wait

MODEL = "Qwen/Qwen3-32B"
AFTER_S = 5.0  # by then a dead pod gets nothing, and what it held has ended


@pytest.fixture
def serving(baseline: Serving) -> Serving:
    return baseline


def _deployment(serving, real_node) -> str:
    (name,) = (
        item["metadata"]["name"]
        for item in real_node.api.items(DEPLOYMENTS.url(namespace=serving.namespace))
        if item["metadata"]["labels"].get("app.kubernetes.io/component") == "aggregate"
    )
    return DEPLOYMENTS.url(str(name), namespace=serving.namespace)


def test_a_rolling_upgrade_and_a_scale_down_lose_no_request(serving, real_node):
    url = _deployment(serving, real_node)
    before = set(serving.pods("aggregate"))
    with running(Load(serving.url, MODEL)) as load:
        note = {"spec": {"template": {"metadata": {"annotations": {"tests/restarted": "yes"}}}}}
        real_node.api.merge(url, note)
        wait("the rolling upgrade", lambda: settled(real_node.api, url), limit_s=90)
        assert not before & set(serving.pods("aggregate"))
        real_node.api.merge(url, {"spec": {"replicas": 2}})
        left = f"{PODS.url(namespace=serving.namespace)}?labelSelector=app.kubernetes.io/component=aggregate"
        wait("the drained pods", lambda: len(real_node.api.items(left)) == 2, limit_s=60)
    assert len(load.asked) > 20
    assert load.failed() == []
    real_node.api.merge(url, {"spec": {"replicas": 3}})
    wait("three replicas again", lambda: settled(real_node.api, url), limit_s=60)


def test_a_killed_pod_loses_what_it_held_and_gets_nothing_new(serving, real_node, capsys):
    victim = serving.pods("aggregate")[0]
    with running(Load(serving.url, MODEL, tokens=120)) as load:
        time.sleep(2)  # so that the pod holds some
        killed_s = time.monotonic()
        real_node.api.delete(f"{PODS.url(victim, namespace=serving.namespace)}?gracePeriodSeconds=0")
        time.sleep(AFTER_S + 3)
    lost = load.failed()
    with capsys.disabled():
        print(f"\na killed pod: {len(lost)} of {len(load.asked)} requests lost")
    assert all(each.began_s < killed_s + AFTER_S for each in lost), "nothing is sent to a pod that is dead"
    assert all(each.began_s + each.took_s < killed_s + 2 * AFTER_S for each in lost), "each ends in an error soon"
    held = [each for each in load.asked if each.began_s < killed_s < each.began_s + each.took_s]
    assert len(lost) <= len(held) + load.clients, "only what it held, or was sent before anybody knew"
    assert any(each.began_s > killed_s + AFTER_S and not each.error for each in load.asked)
