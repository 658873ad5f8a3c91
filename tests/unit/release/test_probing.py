"""Running probes against a cluster in memory: what each end comes to, and that nothing is left after any of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from llmdctl.errors import ClusterError
from llmdctl.model.inventory import Seen
from llmdctl.model.release import ObjectKey
from llmdctl.preflight.probe_plan import HEADER, LABEL, Probe
from llmdctl.release.probing import run
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster, resource


def probe(name: str, *, simulated: bool = False) -> Probe:
    return Probe(
        node=f"node-{name}", node_type="big with H200", accelerator="h200", role="decode", image="engine:1",
        asks={"nvidia.com/gpu": "1"}, simulated=simulated,
        manifest={"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": "llm"}},
    )  # fmt: skip


class Kubelet(FakeCluster):
    """Makes a pod of each Job and takes it away with it, as the Job controller and a kubelet would."""

    def __init__(self, status: Mapping[str, Any], lines: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.kinds.append(resource("batch/v1", "Job", "jobs"))
        self.status, self.lines = status, lines

    def create(self, obj: Mapping[str, Any]) -> bool:
        made = super().create(obj)
        if obj["kind"] == "Job":
            name = obj["metadata"]["name"]
            labels = {LABEL: "true", "job-name": name}
            metadata = {"name": f"{name}-x", "namespace": "llm", "labels": labels}
            super().create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": dict(self.status)})
        return made

    def delete(self, key: ObjectKey) -> bool:
        for found in [each for each in self.objects if each.kind == "Pod" and each.name == f"{key.name}-x"]:
            del self.objects[found]
        return super().delete(key)

    def logs(
        self, namespace: str, pod: str, container: str, *, previous: bool = False, lines: int = 20
    ) -> tuple[str, ...]:
        if not self.lines:
            raise ClusterError("the kubelet does not answer")
        return self.lines

    def left(self) -> list[str]:
        return [str(key) for key in self.objects if key.kind in ("Job", "Pod")]


WAITING = {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]}
NOWHERE = {
    "phase": "Pending",
    "conditions": [{"type": "PodScheduled", "reason": "Unschedulable", "message": "0/3 fit"}],
}


@pytest.mark.parametrize(
    ("status", "lines", "simulated", "outcome", "reason"),
    [
        ({"phase": "Succeeded"}, (HEADER, "memlock=64"), False, "ok", ""),
        ({"phase": "Failed"}, (HEADER, "memlock=64"), False, "ok", ""),
        ({"phase": "Succeeded"}, ("nothing of ours",), False, "no-output", "it wrote nothing"),
        ({"phase": "Succeeded"}, (), False, "no-output", "the kubelet does not answer"),
        ({"phase": "Running"}, (), True, "no-output", "a simulated node runs no container"),
        (WAITING, (), False, "not-started", "ImagePullBackOff"),
        (NOWHERE, (), False, "not-started", "0/3 fit"),
        ({"phase": "Running"}, (), False, "timed-out", "its pod is Running"),
    ],
)
def test_each_end_is_named_and_leaves_nothing(
    status: dict[str, Any], lines: tuple[str, ...], simulated: bool, outcome: str, reason: str
) -> None:
    kubelet = Kubelet(status, lines)
    section = run(
        kubelet, [probe("a", simulated=simulated), probe("b", simulated=simulated)],
        timeout_s=30, clock=FakeClock().clock,
    )  # fmt: skip
    assert section.seen is Seen.OK
    assert [(item["node"], item["outcome"], item["reason"]) for item in section.items] == [
        ("node-a", outcome, reason), ("node-b", outcome, reason),
    ]  # fmt: skip
    assert kubelet.left() == []
    if outcome == "ok":
        assert section.items[0]["memlock"] == 64


@pytest.mark.parametrize("death", [KeyboardInterrupt(), ClusterError("the server is gone")])
@pytest.mark.parametrize("during", ["create", "list_objects"])
def test_whatever_ends_it_nothing_is_left(during: str, death: BaseException) -> None:
    kubelet = Kubelet({"phase": "Running"})
    kubelet.fail(during, death)
    with pytest.raises(type(death)):
        run(kubelet, [probe("a"), probe("b")], timeout_s=30, clock=FakeClock().clock)
    assert kubelet.left() == []
