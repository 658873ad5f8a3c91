"""What probes would run, and how what they wrote is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from llmdctl.model.inventory import Inventory, Section, Seen
from llmdctl.preflight import Case
from llmdctl.preflight.probe_plan import HEADER, LABEL, probes, read
from tests.unit.preflight.cases import accelerators, rendered

H200 = {"nvidia.com/gpu": "8", "cpu": "96", "memory": "2Ti", "pods": "110", "ephemeral-storage": "2Ti", "rdma/ib": "1k"}


def node(name: str, *, type_: str = "big", taints: tuple[dict[str, str], ...] = (), **more: Any) -> dict[str, Any]:
    labels = {
        "kubernetes.io/hostname": name,
        "node.kubernetes.io/instance-type": type_,
        "nvidia.com/gpu.product": "NVIDIA-H200",
        "kubernetes.io/arch": "amd64",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": more.pop("annotations", {})},
        "spec": {"taints": list(taints), **more},
        "status": {"allocatable": H200, "conditions": [{"type": "Ready", "status": "True"}]},
    }


def pod(on: str, gpus: int, **labels: str) -> dict[str, Any]:
    container = {"name": "c", "resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"p-{on}", "namespace": "llm", "labels": labels},
        "spec": {"nodeName": on, "containers": [container]}, "status": {"phase": "Running"},
    }  # fmt: skip


def case(*nodes: dict[str, Any], pods: tuple[dict[str, Any], ...] = ()) -> Case:
    recipe, objects, _ = rendered("pd", "llm", (("path", "pd-disaggregation"),))
    sections = {
        "nodes": Section(seen=Seen.OK, items=nodes),
        "pods": Section(seen=Seen.OK, items=pods),
        **{
            name: Section(seen=Seen.OK)
            for name in ("resource-slices", "resource-claims", "device-classes", "version", "persistent-volume-claims",
                         "persistent-volumes", "csi-nodes", "namespaces")
        },
    }  # fmt: skip
    inventory = Inventory(captured_at="2026-11-22T00:00:00Z", llmdctl="0", sections=sections)
    return Case(
        inventory=inventory, objects=objects, recipe=recipe, release="pd", namespace="llm", accelerators=accelerators()
    )


def test_one_probe_a_sort_of_node_where_most_is_free() -> None:
    found = probes(
        case(node("a"), node("b"), node("c", type_="other"), pods=(pod("a", 4),)), namespace="llm", deadline_s=60
    )
    assert [(each.node, each.node_type) for each in found] == [("b", "big with H200"), ("c", "other with H200")]
    assert [each.asks for each in found] == [{"nvidia.com/gpu": "1"}] * 2


@pytest.mark.parametrize(
    "unfit",
    [
        node("a", unschedulable=True),
        node("a", taints=({"key": "team", "value": "other", "effect": "NoSchedule"},)),
    ],
    ids=["cordoned", "tainted"],
)
def test_no_probe_where_no_model_server_can_go(unfit: dict[str, Any]) -> None:
    assert probes(case(unfit), namespace="llm", deadline_s=60) == ()


def test_a_full_node_is_probed_without_a_device_and_nobody_is_pushed_aside() -> None:
    own = {"app.kubernetes.io/instance": "pd"}
    (found,) = probes(case(node("a"), pods=(pod("a", 8, **own),)), namespace="llm", deadline_s=60)
    assert found.asks == {}, "what the release itself holds is not free while a probe runs"


def test_the_job_is_short_small_and_knows_no_secret() -> None:
    (found,) = probes(case(node("a")), namespace="elsewhere", deadline_s=60)
    job = found.manifest
    template = job["spec"]["template"]
    container = template["spec"]["containers"][0]
    assert job["metadata"]["labels"][LABEL] == template["metadata"]["labels"][LABEL] == "true"
    assert (job["metadata"]["namespace"], job["spec"]["activeDeadlineSeconds"]) == ("elsewhere", 60)
    assert job["spec"]["ttlSecondsAfterFinished"] <= 60 and job["spec"]["backoffLimit"] == 0
    assert template["spec"]["automountServiceAccountToken"] is False
    assert not {"volumes", "serviceAccountName", "hostNetwork", "hostPID"} & set(template["spec"])
    assert not {"env", "envFrom", "volumeMounts"} & set(container)
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    server = next(each for each in case(node("a")).workloads if each.is_model_server)
    assert container["image"] == server.spec["containers"][0]["image"], "its image is pulled as the model server's is"
    assert template["spec"].get("securityContext") == server.spec.get("securityContext")


def test_what_a_probe_wrote() -> None:
    written = (
        "a line of an entrypoint", HEADER, "uid=2000", "memlock=unlimited", "gpu=570.86.15, 143771, NVIDIA H200",
        "gpu=570.86.15, 143771, NVIDIA H200", "peermem=loaded",
        "nic=mlx5_0,1,4: ACTIVE,400 Gb/sec (4X NDR),InfiniBand,fe80:0000:0000:0000:0000:0000:0000:0001",
    )  # fmt: skip
    found = read(written)
    assert found is not None
    assert (found["uid"], found["memlock"], found["driver"], found["memoryMib"]) == (
        2000,
        "unlimited",
        "570.86.15",
        143771,
    )
    assert found["product"] == "NVIDIA H200" and found["peermem"] is True
    assert found["nics"][0]["state"] == "4: ACTIVE" and found["nics"][0]["linkLayer"] == "InfiniBand"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), None),
        (("exec format error",), None),
        ((HEADER, "uid=0", "memlock=64"), {"memlock": 64, "driver": "", "memoryMib": None, "nics": []}),
        ((HEADER, "memlock=???", "gpu=", "nic="), {"memlock": None, "uid": None, "driver": ""}),
    ],
)
def test_what_is_not_there_is_not_made_up(lines: tuple[str, ...], expected: dict[str, Any] | None) -> None:
    found = read(lines)
    assert found is None if expected is None else found is not None and expected.items() <= found.items()


def test_without_nodes_nobody_can_say_what_to_probe() -> None:
    from llmdctl.preflight.verdict import UnknowableError

    blind = case(node("a"))
    hidden = {**blind.inventory.sections, "nodes": Section(seen=Seen.FORBIDDEN, reason="no")}
    with pytest.raises(UnknowableError):
        probes(replace(blind, inventory=replace(blind.inventory, sections=hidden)), namespace="llm", deadline_s=60)
