"""Whose Kubernetes it is: what the nodes of each platform say, and what may not be read is not denied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from llmdctl.model.inventory import Seen
from llmdctl.preflight.platform import detect
from tests.unit.preflight.nodes import case, node

BY_NODE = {
    "eks-p5-48xlarge-h100-default": ("eks", "kubelet v1.34.1-eks-113cf36"),
    "eks-p6e-gb200-36xlarge-gb200": ("eks", "label eks.amazonaws.com/nodegroup"),
    "eks-auto-p5-48xlarge": ("eks", "label eks.amazonaws.com/compute-type"),
    "gke-a3-highgpu-8g-h100-tcpx": ("gke", "label cloud.google.com/gke-nodepool"),
    "gke-tpu7x-standard-4t": ("gke", "label cloud.google.com/gke-nodepool"),
    "aks-nd96isr-h100-v5": ("aks", "label kubernetes.azure.com/"),
    "cks-gd-8xh100ib-i128": ("coreweave", "label backend.coreweave.cloud/fabric"),
    "cks-bogus-label-alone": ("coreweave", "label node.coreweave.cloud/class"),
    "ocp-h100-roce": ("openshift", "label node.openshift.io/os_id"),
    "oke-bm-gpu-mi300x-8": ("oci", "label oci.oraclecloud.com/fault-domain"),
    "doks-gpu-h100x8": ("doks", "label doks.digitalocean.com/"),
}
OPENSHIFT_API = {"apiVersion": "config.openshift.io/v1", "kind": "ClusterVersion"}


@pytest.mark.parametrize(("name", "said"), BY_NODE.items(), ids=BY_NODE)
def test_nodes_tell_the_platform(name: str, said: tuple[str, str]) -> None:
    found = detect(case([node(name)]))
    assert (found.name, found.confidence) == (said[0], "certain")
    assert found.evidence[0].startswith(said[1])
    assert found.evidence[0].endswith("on 1 of 1 nodes")


def test_the_accelerator_label_of_gke_is_no_sign_of_gke() -> None:
    labelled = {**node("kind-worker-sim")}
    labelled["metadata"] = {"name": "n", "labels": {"cloud.google.com/gke-accelerator": "H100_NVLINK_80GB"}}
    assert detect(case([labelled])).name == "generic"


def test_karpenter_alone_is_not_eks() -> None:
    own = {
        "kind": "Node",
        "metadata": {"name": "n", "labels": {"karpenter.k8s.aws/instance-gpu-name": "h100"}},
        "status": {"nodeInfo": {"kubeletVersion": "v1.34.1"}},
    }
    assert detect(case([own])).name == "generic"


def test_a_cluster_with_a_foreign_node_is_likely() -> None:
    nodes = [node("gke-a3-highgpu-8g-h100-tcpx"), node("gke-tpu7x-standard-4t"), node("doks-gpu-h100x8")]
    found = detect(case(nodes))
    assert (found.name, found.confidence) == ("gke", "likely")
    assert found.evidence[1] == "doks by 1 nodes"


ELSEWHERE: Mapping[str, tuple[Mapping[str, Any], str, str]] = {
    "eks by its address": ({"server": "https://ABC.gr7.us-east-2.eks.amazonaws.com"}, "eks", "certain"),
    "aks by its address": ({"server": "https://x-dns-1.hcp.eastus.azmk8s.io:443"}, "aks", "certain"),
    "coreweave by its address": ({"server": "https://x.k8s.us-east-06a.coreweave.com"}, "coreweave", "certain"),
    "gke by its context": ({"context": "gke_project_us-central1_c1"}, "gke", "likely"),
    "gke by its version": ({"others": {"version": [{"gitVersion": "v1.34.1-gke.2037000"}]}}, "gke", "certain"),
    "openshift by its API": ({"others": {"apis": [OPENSHIFT_API]}}, "openshift", "certain"),
    "openshift by its ClusterVersion": ({"others": {"cluster-versions": [{"kind": "x"}]}}, "openshift", "certain"),
    "nobody's": ({}, "generic", "likely"),
    "an address that only looks alike": ({"server": "https://eks.amazonaws.com.example.org"}, "generic", "likely"),
}


@pytest.mark.parametrize(("fields", "name", "confidence"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_what_is_not_a_node_tells_it_too(fields: Mapping[str, Any], name: str, confidence: str) -> None:
    found = detect(case([node("vanilla-rtxpro6000-8")], **fields))
    assert (found.name, found.confidence) == (name, confidence)


@pytest.mark.parametrize("section", ["nodes", "apis", "cluster-versions", "version"])
def test_what_may_not_be_read_is_no_proof(section: str) -> None:
    found = detect(case([node("vanilla-rtxpro6000-8")], missing={section: Seen.FORBIDDEN}))
    assert (found.name, found.confidence) == ("generic", "unknown")
    assert found.evidence == (f"{section}: forbidden: not allowed",)


def test_one_may_know_better() -> None:
    found = detect(case([node("gke-tpu7x-standard-4t")], platform_stated="on-prem"))
    assert (found.name, found.confidence) == ("on-prem", "stated")


@pytest.mark.parametrize(
    ("name", "said"), [("k3s-single-rtx4090", "k3s"), ("kind-worker-sim", "KWOK")], ids=["k3s", "kwok"]
)
def test_what_somebody_runs_alone_is_said(name: str, said: str) -> None:
    found = detect(case([node(name)]))
    assert found.name == "generic"
    assert any(text.startswith(said) for text in found.evidence)
