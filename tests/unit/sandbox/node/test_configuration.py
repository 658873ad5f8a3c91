"""The daemons' configuration keeps to the sandbox's folder and to its cgroup."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from llmdctl.sandbox.home import Home
from llmdctl.sandbox.node import configuration, machine
from llmdctl.sandbox.node.layout import Layout
from llmdctl.sandbox.node.tools import Tools

PLACE = Layout(home=Home(name="x", path=Path("/state/x")))
NODE = machine("cpu", None, template={"count_per_node": 0, "capacity": {"cpu": "64"}}, resource="")
TOOLS = Tools(found={}, plugins=Path("/cache/cni"))
PRIVATE = ("/run/", "/state/x/", "/cache/")


def paths(value):
    if isinstance(value, dict):
        return [path for inner in value.values() for path in paths(inner)]
    if isinstance(value, list):
        return [path for inner in value for path in paths(inner)]
    return [value] if isinstance(value, str) and value.startswith("/") else []


@pytest.mark.parametrize(
    "document",
    [
        json.loads(configuration.kubelet(PLACE, NODE)),
        json.loads(configuration.kube_proxy(PLACE, NODE)),
        json.loads(configuration.network(PLACE)),
        tomllib.loads(configuration.containerd(PLACE, TOOLS, pause="registry/pause:1")),
    ],
    ids=["kubelet", "kube-proxy", "network", "containerd"],
)
def test_every_path_is_the_sandbox_s_own(document):
    cgroup = f"/{PLACE.cgroup}"
    assert [path for path in paths(document) if not path.startswith(PRIVATE) and path != cgroup] == []


def test_containerd_reads_what_is_written():
    document = tomllib.loads(configuration.containerd(PLACE, TOOLS, pause="registry/pause:1"))
    runtime = document["plugins"]["io.containerd.grpc.v1.cri"]
    assert runtime["sandbox_image"] == "registry/pause:1"
    assert runtime["containerd"]["runtimes"]["runc"]["options"]["BinaryName"] == "/state/x/node/bin/runc"


def test_two_sandboxes_have_two_cgroups():
    other = Layout(home=Home(name="x", path=Path("/elsewhere/x")))
    assert other.cgroup != PLACE.cgroup
    assert PLACE.cgroup == Layout(home=PLACE.home).cgroup
    assert "/" not in PLACE.cgroup


def test_nothing_is_evicted_and_no_certificate_rotates():
    document = json.loads(configuration.kubelet(PLACE, NODE))
    assert set(document["evictionHard"].values()) == {"0%"}
    assert document["rotateCertificates"] is False
    assert document["failCgroupV1"] is False
