"""Groups of pods: what their controller adds to them is known, so a pool of leaders is not called empty."""

from __future__ import annotations

import pytest

from llmdctl.lint import read
from llmdctl.lint.manifest import Manifest
from llmdctl.lint.pods import WORKER_INDEX, pods_of

GROUP = """
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: g}
spec:
  leaderWorkerTemplate:
    size: 2
%s
    workerTemplate: {metadata: {labels: {a: b}}, spec: {containers: [{name: engine, image: "x:1"}]}}
"""
LEADER = '    leaderTemplate: {metadata: {labels: {a: b}}, spec: {containers: [{name: engine, image: "x:1"}]}}'


def manifest(text: str) -> Manifest:
    return read(text, "g.yaml").manifests[0]


@pytest.mark.parametrize(("leader", "labels"), [("", ["0"]), (LEADER, ["0", None])])
def test_leaders_carry_their_index(leader: str, labels: list[str | None]) -> None:
    found = list(pods_of(manifest(GROUP % leader)))
    assert [pod.labels.get(WORKER_INDEX) for pod in found] == labels
    assert all(pod.labels["a"] == "b" for pod in found)
