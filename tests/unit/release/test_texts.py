"""What is shown: manifests, differences, masks, addresses, labels."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from llmdctl.helm import cluster_part, in_scope, parse_manifests, to_manifests
from llmdctl.model.release import ObjectKey
from llmdctl.release.changes import compare, placed
from llmdctl.release.endpoint import endpoint
from llmdctl.release.facts import from_labels, label_value, to_labels, values_label
from llmdctl.release.redaction import redact_object, redact_text
from tests.fakes.cluster import FakeCluster, resource
from tests.unit.release.conftest import spec

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(max_size=12))
TRICKY = st.sampled_from(
    ["y", "off", "12:30", "1e3", "0o17", "=", "2026-11-22", "", " ", "a: b", "- x", "#c", "null", "~", "a\nb\n", "08",
     "x\n\ny ", "é\u2028", "{{ x }}", "'", '"', "1_000", ".5", "<<", "yes\n", "0x1f", "NO", "|", "&a", "*a", "!t"]
)  # fmt: skip
VALUES = st.recursive(
    st.one_of(SCALARS, TRICKY),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(TRICKY, st.text(min_size=1, max_size=6)), inner, max_size=3),
    ),
    max_leaves=12,
)


@given(content=VALUES)
def test_a_manifest_reads_back_as_it_was_by_helm_and_by_pyyaml(content: Any):
    text = to_manifests([{"kind": "A", "value": content}, {"kind": "B"}])
    assert parse_manifests(text) == ({"kind": "A", "value": content}, {"kind": "B"})
    assert list(yaml.safe_load_all(text)) == [{"kind": "A", "value": content}, {"kind": "B"}]


def obj(kind: str, name: str = "x", api_version: str = "v1", **more: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **more}


def test_scopes_share_all_objects_out():
    objects = [obj("ConfigMap"), obj("ClusterRole", api_version="rbac.authorization.k8s.io/v1"), obj("Namespace")]
    assert [found["kind"] for found in in_scope(objects, "cluster")] == ["ClusterRole", "Namespace"]
    assert [found["kind"] for found in in_scope(objects, "namespace")] == ["ConfigMap"]
    assert list(in_scope(objects, "all")) == objects
    assert cluster_part(objects) == in_scope(objects, "cluster")


def test_objects_get_the_namespace_that_helm_gives_them():
    objects = [obj("ConfigMap"), obj("Namespace"), {**obj("Secret"), "metadata": {"name": "x", "namespace": "other"}}]
    assert [found["metadata"].get("namespace") for found in placed(objects, "ns")] == ["ns", None, "other"]
    known = FakeCluster()
    known.kinds.append(resource("x.dev/v1", "Thing", "things", namespaced=False))
    (found,) = placed([obj("Thing", api_version="x.dev/v1")], "ns", known.served())
    assert "namespace" not in found["metadata"]


def test_a_new_api_version_is_a_change_not_another_object():
    (change,) = compare([obj("A", api_version="x.dev/v1beta1")], [obj("A", api_version="x.dev/v1")])
    assert change.action == "change"


def test_all_three_actions():
    changes = compare([obj("A"), obj("B", data=1)], [obj("B", data=2), obj("C")])
    assert [(change.action, change.key.kind) for change in changes] == [
        ("change", "B"),
        ("create", "C"),
        ("remove", "A"),
    ]


def test_a_changed_secret_shows_that_it_changed_and_not_what_it_holds():
    before, after = (
        obj("Secret", stringData={"key": "old", "same": "x"}),
        obj("Secret", stringData={"key": "new", "same": "x"}),
    )
    (change,) = compare([before], [after])
    text = "\n".join(change.lines)
    assert "old" not in text.replace("--- installed", "")
    assert "new" not in text
    assert sum(line.startswith(("-  key", "+  key")) for line in change.lines) == 2
    assert not any(line.startswith(("-  same", "+  same")) for line in change.lines)


TEXTS = [
    ("token hf_ABCDEFGHIJKLMNOPQRSTUV ok", "token *** ok"),
    ("Authorization: Bearer abcdefghijklmnop", "Authorization: Bearer ***"),
    ("https://user:pa55@host/x", "https://***@host/x"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-def", "***"),
    ("hf_short and nothing else", "hf_short and nothing else"),
    ("http://host:8000/v1", "http://host:8000/v1"),
]


@pytest.mark.parametrize(("text", "shown"), TEXTS)
def test_credentials_in_text_are_masked(text: str, shown: str):
    assert redact_text(text) == shown


def test_values_of_telling_names_are_masked_wherever_they_are():
    env = [
        {"name": "HF_TOKEN", "value": "plain"},
        {"name": "PORT", "value": "80"},
        {"name": "API_KEY", "valueFrom": {}},
    ]
    masked = redact_object(obj("Deployment", spec={"env": env}))["spec"]["env"]
    assert masked[0]["value"].startswith("***")
    assert masked[1:] == env[1:]


LABELS = [("a/b c", "a-b-c"), ("-x-", "x"), ("x" * 80, "x" * 63), ("", ""), ("Qwen/Qwen3-32B", "Qwen-Qwen3-32B")]


@pytest.mark.parametrize(("text", "label"), LABELS)
def test_labels_fit_into_kubernetes(text: str, label: str):
    assert label_value(text) == label


def test_facts_come_back_from_labels():
    facts = from_labels(to_labels(spec(), operation="h.1.2"))
    assert facts.recipe == "pd-disaggregation"
    assert facts.facets == {"engine": "vllm", "kv_tier": "none"}
    assert (facts.evidence, facts.forced, facts.operation) == ("derived", False, "h.1.2")
    assert from_labels({}).recipe == ""


def test_values_are_known_by_their_revision_and_a_digest():
    label = values_label({"b": 1, "a": {"x": None}}, 3)
    assert label == values_label({"a": {"x": None}, "b": 1}, 3) == label_value(label)
    assert label not in (values_label({"b": 1, "a": {}}, 3), values_label({"b": 1, "a": {"x": None}}, 4))


GATEWAY = "gateway.networking.k8s.io/v1"
HTTP = {"listeners": [{"port": 80, "protocol": "HTTP"}]}
HTTPS = {"listeners": [{"port": 443, "protocol": "HTTPS", "hostname": "llm.example"}]}
ENDPOINTS = [
    ("gateway", GATEWAY, "Gateway", "g", HTTP, {"addresses": [{"value": "10.0.0.1"}]}, "http://10.0.0.1:80"),
    ("gateway, IPv6", GATEWAY, "Gateway", "g", HTTP, {"addresses": [{"value": "fd00::1"}]}, "http://[fd00::1]:80"),
    ("gateway, TLS", GATEWAY, "Gateway", "g", HTTPS, {"addresses": [{"value": "10.0.0.1"}]}, "https://llm.example:443"),
    ("gateway without address", GATEWAY, "Gateway", "g", HTTP, {}, None),
    ("proxy", "v1", "Service", "pd-epp", {"ports": [{"name": "http", "port": 80}]}, {}, "http://pd-epp.llm.svc:80"),
    (
        "load balancer",
        "v1",
        "Service",
        "pd-epp",
        {"type": "LoadBalancer", "ports": [{"name": "http", "port": 80}]},
        {"loadBalancer": {"ingress": [{"hostname": "lb.example"}]}},
        "http://lb.example:80",
    ),
    (
        "load balancer without address",
        "v1",
        "Service",
        "pd-epp",
        {"type": "LoadBalancer", "ports": [{"name": "http", "port": 80}]},
        {},
        None,
    ),
    ("another service", "v1", "Service", "pd", {"ports": [{"name": "http", "port": 80}]}, {}, None),
]


@pytest.mark.parametrize(
    ("api_version", "kind", "name", "body", "status", "address"),
    [case[1:] for case in ENDPOINTS],
    ids=[case[0] for case in ENDPOINTS],
)
def test_the_endpoint(api_version: str, kind: str, name: str, body: Any, status: Any, address: str | None):
    cluster = FakeCluster()
    cluster.kinds.append(resource(GATEWAY, "Gateway", "gateways"))
    live = {**obj(kind, name, api_version), "spec": body, "status": status}
    live["metadata"]["namespace"] = "llm"
    cluster.put(live)
    assert endpoint(cluster, [live]) == address


def test_an_object_that_is_gone_has_no_endpoint():
    rendered = {**obj("Service", "pd-epp"), "spec": {"ports": [{"name": "http", "port": 80}]}}
    rendered["metadata"]["namespace"] = "llm"
    assert endpoint(FakeCluster(), [rendered]) is None
    assert ObjectKey(api_version="v1", kind="A", namespace=None, name="b").__str__() == "A/b"
