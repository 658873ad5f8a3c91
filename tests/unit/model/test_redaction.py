"""What may be shown to others: no name of anybody, and every reference still leads where it led."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmdctl.model.inventory import Inventory, Section, Seen
from llmdctl.model.inventory_file import dump
from llmdctl.model.redaction import redact

IMAGE = "registry.acme.example:5000/ml/team/vllm-openai:v0.12.0"
NODE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {
        "name": "ip-10-1-2-3.acme.internal",
        "labels": {
            "kubernetes.io/hostname": "ip-10-1-2-3",
            "kubernetes.io/arch": "amd64",
            "nvidia.com/gpu.product": "NVIDIA-H200",
            "nvidia.com/gpu.memory": "143771",
            "cloud.google.com/gke-nodepool": "acme-gpus",
            "alpha.eksctl.io/cluster-name": "acme-prod",
            "owner": "jane.doe",
            "pool": "h200",
        },
        "annotations": {"meta.helm.sh/note": "call Jane Doe at acme"},
    },
    "spec": {
        "providerID": "aws:///us-east-1/i-0abc",
        "taints": [{"key": "owner", "value": "jane.doe", "effect": "NoSchedule"}],
    },
    "status": {
        "allocatable": {"nvidia.com/gpu": "8"},
        "conditions": [{"type": "Ready", "status": "True", "message": "ip-10-1-2-3.acme.internal at 10.1.2.3 is fine"}],
        "images": [{"names": [IMAGE, "nvcr.io/nvidia/cuda:13"]}],
        "nodeInfo": {"kubeletVersion": "v1.34.4", "machineID": "abcdef", "systemUUID": "abcdef"},
    },
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "llama-acme-0",
        "namespace": "acme-ml",
        "labels": {"app": "llama-acme", "llm-d.ai/role": "decode"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": "llama-acme-7f8", "apiVersion": "apps/v1"}],
    },
    "spec": {
        "nodeName": "ip-10-1-2-3.acme.internal",
        "nodeSelector": {"owner": "jane.doe", "nvidia.com/gpu.product": "NVIDIA-H200"},
        "affinity": {
            "x": {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["ip-10-1-2-3"]}]}
        },
        "containers": [
            {
                "name": "engine",
                "image": IMAGE,
                "env": [{"name": "TOKEN", "value": "s3cr3t"}, {"name": "FEATURE", "value": "true"}],
                "resources": {"limits": {"nvidia.com/gpu": "1"}},
            }
        ],
        "volumes": [{"persistentVolumeClaim": {"claimName": "acme-models"}}],
    },
}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "llama-acme", "namespace": "acme-ml"},
    "spec": {"selector": {"matchLabels": {"app": "llama-acme"}}},
}
CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "acme-models", "namespace": "acme-ml"},
}
NAMESPACE = {
    "apiVersion": "v1", "kind": "Namespace",
    "metadata": {"name": "acme-ml", "labels": {"kubernetes.io/metadata.name": "acme-ml"}},
}  # fmt: skip
OPERATOR = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "keda-operator", "namespace": "keda"}}
SYSTEM = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}}


def ok(*items: dict[str, Any], **more: str) -> Section:
    return Section(seen=Seen.OK, items=items, **more)  # type: ignore[arg-type]


TAKEN = Inventory(
    captured_at="2026-11-22T16:00:00Z",
    llmdctl="0.1.0",
    server="https://k8s.acme.example:6443",
    context="acme-prod-admin",
    sections={
        "identity": ok({"username": "jane.doe@acme.example", "groups": ["acme-admins", "system:authenticated"]}),
        "client": ok({"proxies": {"https_proxy": "http://proxy.acme.example"}, "serverHost": "k8s.acme.example:6443"}),
        "access": ok(
            {"verb": "create", "resource": "pods", "namespace": "acme-ml", "name": "", "reason": "of acme-ml"}
        ),
        "dry-run": ok(
            {"kind": "Pod", "name": "llama-acme-new", "namespace": "acme-ml", "message": "see https://acme.example/x"}
        ),
        "nodes": ok(NODE),
        "pods": ok(POD, reason="only namespace acme-ml was read", namespace="acme-ml"),
        "namespaces": ok(NAMESPACE, SYSTEM),
        "deployments": ok(DEPLOYMENT, OPERATOR),
        "persistent-volume-claims": ok(CLAIM),
        "secrets": ok({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hf-acme", "namespace": "acme-ml"}}),
    },
)
HIDDEN = ["acme", "jane", "doe", "10.1.2.3", "ip-10", "s3cr3t", "i-0abc", "abcdef", "llama", "proxy."]
STAYS = [
    "aws://hidden",
    "NVIDIA-H200",
    "143771",
    "nvcr.io/nvidia/cuda:13",
    "vllm-openai:v0.12.0",
    "v1.34.4",
    "keda-operator",
    "kube-system",
]


@pytest.fixture(scope="module")
def redacted() -> Inventory:
    return redact(TAKEN)


@pytest.mark.parametrize("word", HIDDEN)
def test_nobody_is_named(redacted: Inventory, word: str):
    assert word in dump(TAKEN).lower()
    assert word not in dump(redacted).lower()


@pytest.mark.parametrize("word", STAYS)
def test_hardware_and_software_are(redacted: Inventory, word: str):
    assert word in dump(redacted)


def test_it_says_that_it_is_redacted(redacted: Inventory):
    assert (redacted.redacted, redacted.server, redacted.context) == (True, "", "")
    assert redacted.captured_at == TAKEN.captured_at
    assert set(redacted.sections) == set(TAKEN.sections)


def test_references_lead_where_they_led(redacted: Inventory):
    (node,) = redacted.section("nodes").items
    (pod,) = redacted.section("pods").items
    deployment, _ = redacted.section("deployments").items
    (claim,) = redacted.section("persistent-volume-claims").items
    namespace, _ = redacted.section("namespaces").items
    assert pod["spec"]["nodeName"] == node["metadata"]["name"] != ""
    assert pod["metadata"]["namespace"] == claim["metadata"]["namespace"] == namespace["metadata"]["name"]
    assert namespace["metadata"]["labels"]["kubernetes.io/metadata.name"] == namespace["metadata"]["name"]
    assert redacted.section("pods").namespace == namespace["metadata"]["name"]
    assert redacted.section("access").items[0]["namespace"] == namespace["metadata"]["name"]
    assert pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert deployment["spec"]["selector"]["matchLabels"]["app"] == pod["metadata"]["labels"]["app"]
    assert (
        pod["spec"]["nodeSelector"]["owner"]
        == node["metadata"]["labels"]["owner"]
        == node["spec"]["taints"][0]["value"]
    )
    wanted = pod["spec"]["affinity"]["x"]["matchExpressions"][0]["values"]
    assert wanted == [node["metadata"]["labels"]["kubernetes.io/hostname"]]
    assert pod["spec"]["containers"][0]["image"] == node["status"]["images"][0]["names"][0]


def test_what_checks_read_of_hardware_is_unchanged(redacted: Inventory):
    (node,) = redacted.section("nodes").items
    (pod,) = redacted.section("pods").items
    was, labels = NODE["metadata"]["labels"], node["metadata"]["labels"]
    for key in ("kubernetes.io/arch", "nvidia.com/gpu.product", "nvidia.com/gpu.memory", "pool"):
        assert labels[key] == was[key]
    assert pod["metadata"]["labels"]["llm-d.ai/role"] == "decode"
    assert pod["spec"]["containers"][0]["resources"] == {"limits": {"nvidia.com/gpu": "1"}}
    assert pod["spec"]["containers"][0]["env"] == [
        {"name": "TOKEN", "value": "hidden"},
        {"name": "FEATURE", "value": "true"},
    ]


def test_a_name_that_is_also_a_word_of_the_hardware_stays():
    named = {**DEPLOYMENT, "metadata": {"name": "NVIDIA-H200", "namespace": "acme-ml"}}
    taken = Inventory(captured_at="", llmdctl="", sections={"nodes": ok(NODE), "deployments": ok(named)})
    (node,) = redact(taken).section("nodes").items
    assert node["metadata"]["labels"]["nvidia.com/gpu.product"] == "NVIDIA-H200"


def test_redacting_twice_changes_no_reference(redacted: Inventory):
    again = redact(redacted)
    (node,), (pod,) = again.section("nodes").items, again.section("pods").items
    assert pod["spec"]["nodeName"] == node["metadata"]["name"]


def test_the_original_is_untouched():
    before = json.dumps([dict(item) for section in TAKEN.sections.values() for item in section.items])
    redact(TAKEN)
    assert json.dumps([dict(item) for section in TAKEN.sections.values() for item in section.items]) == before
