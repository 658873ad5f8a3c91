"""Monitors as scrape configurations, pods as targets, as the operator and Prometheus's discovery would make them."""

import re
from pathlib import Path

import pytest

from llmdctl.sandbox.monitors import Surroundings, annotated, chosen, seconds, selects, translate
from llmdctl.sandbox.targets import targets

LABELS = {"app": "engine", "llm-d.ai/role": "decode"}


def pod(name="p", labels=LABELS, ports=(("serving", 8000),), namespace="ns", ip="127.2.0.1", phase="Running", **meta):
    containers = [{"name": "engine", "ports": [{"name": port, "containerPort": number} for port, number in ports]}]
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels), **meta},
        "spec": {"containers": containers, "nodeName": "n"},
        "status": {"podIP": ip, "phase": phase, "conditions": [{"type": "Ready", "status": "True"}]},
    }


def pod_monitor(endpoint=None, selector=None, **spec):
    selector = {"matchLabels": {"app": "engine"}} if selector is None else selector
    endpoints = [{"port": "serving"} | (endpoint or {})]
    return {
        "metadata": {"name": "m", "namespace": "ns"},
        "spec": {"selector": selector, "podMetricsEndpoints": endpoints, **spec},
    }


def around(services=(), secret=lambda *_: None):
    return Surroundings(pods=Path("/p.json"), token=Path("/token"), secret=secret, services=services)


def found(monitor, *pods):
    """The labels of every target that the first job of a monitor keeps, by a small relabeling of our own."""
    (job, *_) = translate([monitor], [], around()).jobs
    return [labels for group in targets(pods) if (labels := relabeled(group, job["relabel_configs"])) is not None]


def relabeled(group, rules):
    """Relabeling as Prometheus's documentation describes keep, drop and replace."""
    labels = dict(group["labels"]) | {"__address__": group["targets"][0]}
    for rule in rules:
        value = rule.get("separator", ";").join(labels.get(name, "") for name in rule.get("source_labels", []))
        match = re.fullmatch(rule.get("regex", "(.*)"), value)
        action = rule.get("action", "replace")
        if (action == "keep" and not match) or (action == "drop" and match):
            return None
        if action == "replace" and match:
            replacement = re.sub(r"\$(\d)", r"\\\1", rule.get("replacement", "$1"))
            labels[rule["target_label"]] = match.expand(replacement)
    return {key: value for key, value in labels.items() if not key.startswith("__meta")}


def test_the_labels_of_a_target_are_those_of_the_operator():
    (labels,) = found(pod_monitor(podTargetLabels=["llm-d.ai/role"]), pod())
    assert labels == {
        "__address__": "127.2.0.1:8000",
        "namespace": "ns",
        "pod": "p",
        "container": "engine",
        "endpoint": "serving",
        "job": "ns/m",
        "llm_d_ai_role": "decode",
    }


@pytest.mark.parametrize(
    ("other", "kept"),
    [
        (pod(), True),
        (pod(ports=(("http", 8000),)), False),
        (pod(labels={"app": "other"}), False),
        (pod(labels={}), False),
        (pod(namespace="other"), False),
        (pod(phase="Succeeded"), False),
        (pod(ip=""), False),
    ],
)
def test_only_what_is_selected_is_scraped(other, kept):
    assert bool(found(pod_monitor(), other)) is kept


@pytest.mark.parametrize(
    ("selector", "kept"),
    [
        ({}, True),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["x", "engine"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["engine"]}]}, False),
        ({"matchExpressions": [{"key": "absent", "operator": "NotIn", "values": ["x"]}]}, True),
        ({"matchExpressions": [{"key": "llm-d.ai/role", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_a_selector_means_the_same_as_labels_and_as_relabelings(selector, kept):
    assert selects(selector, LABELS) is kept
    assert bool(found(pod_monitor(selector=selector), pod())) is kept
    assert all(rule["action"] in ("keep", "drop") for rule in chosen(selector))


def test_a_release_decides_by_annotation_and_by_interval_up_to_the_sandbox_own():
    relabelings = [
        {
            "sourceLabels": ["__meta_kubernetes_pod_annotation_prometheus_io_path"],
            "regex": "(.+)",
            "targetLabel": "__metrics_path__",
            "action": "Replace",
        }
    ]
    monitor = pod_monitor({"interval": "1s", "relabelings": relabelings})
    (labels,) = found(monitor, pod(annotations={"prometheus.io/path": "/m"}))
    assert labels["__metrics_path__"] == "/m"
    (job,) = translate(
        [
            monitor,
        ],
        [],
        around(),
    ).jobs
    assert (job["scrape_interval"], job["scrape_timeout"]) == ("1000ms", "1000ms")
    (slow,) = translate([pod_monitor({"interval": "30s", "scrapeTimeout": "10s"})], [], around()).jobs
    assert (slow["scrape_interval"], slow["scrape_timeout"]) == ("5000ms", "5000ms")


SERVICE = {
    "metadata": {"name": "epp", "namespace": "ns", "labels": {"app": "epp"}},
    "spec": {"selector": {"app": "engine"}, "ports": [{"name": "http-metrics", "port": 9090, "targetPort": "serving"}]},
}


def service_monitor(**endpoint):
    return {
        "metadata": {"name": "sm", "namespace": "ns"},
        "spec": {"selector": {"matchLabels": {"app": "epp"}}, "endpoints": [{"port": "http-metrics"} | endpoint]},
    }


def test_a_service_monitor_finds_the_pods_of_its_services():
    (job,) = translate([], [service_monitor()], around([SERVICE])).jobs
    (group,) = targets([pod()])
    labels = relabeled(group, job["relabel_configs"])
    assert labels is not None
    assert {key: labels[key] for key in ("service", "job", "endpoint", "pod")} == {
        "service": "epp", "job": "epp", "endpoint": "http-metrics", "pod": "p",
    }  # fmt: skip
    assert not translate([], [service_monitor(port="absent")], around([SERVICE])).jobs


def test_a_token_is_given_as_a_file():
    path = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    (own,) = translate([], [service_monitor(bearerTokenFile=path)], around([SERVICE])).jobs
    assert own["authorization"] == {"credentials_file": "/token"}
    asked = []

    def secret(*words):
        asked.append(words)
        return Path("/secret")

    given = {"type": "Bearer", "credentials": {"name": "n", "key": "k"}}
    (other,) = translate([], [service_monitor(authorization=given)], around([SERVICE], secret)).jobs
    assert other["authorization"] == {"type": "Bearer", "credentials_file": "/secret"}
    assert asked == [("ns", "n", "k")]


def test_what_is_not_translated_is_named():
    monitor = pod_monitor({"proxyUrl": "http://x"}, sampleLimit=5)
    assert translate([monitor], [], around()).ignored == (
        "PodMonitor ns/m: sampleLimit is not translated",
        "PodMonitor ns/m, endpoint 0: proxyUrl is not translated",
    )


def test_annotated_pods_are_scraped_at_the_port_they_name():
    rules = [rule for rule in annotated(Path("/p"))["relabel_configs"] if rule.get("action") != "labelmap"]
    marked = {"prometheus.io/scrape": "true", "prometheus.io/port": "9090", "prometheus.io/path": "/x"}
    (group,) = targets([pod(annotations=marked)])
    labels = relabeled(group, rules)
    assert labels is not None
    assert (labels["__address__"], labels["__metrics_path__"], labels["pod"]) == ("127.2.0.1:9090", "/x", "p")
    (plain,) = targets([pod()])
    assert relabeled(plain, rules) is None


@pytest.mark.parametrize(("text", "wanted_s"), [("15s", 15), ("1m30s", 90), ("250ms", 0.25), ("1h", 3600)])
def test_durations(text, wanted_s):
    assert seconds(text) == wanted_s


@pytest.mark.parametrize("text", ["", "15", "s", "1m 30s", "-1s"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="no duration"):
        seconds(text)


def test_a_container_without_ports_is_one_target_and_side_containers_count():
    bare = pod(ports=())
    bare["spec"]["initContainers"] = [{"name": "sidecar", "ports": [{"name": "proxy", "containerPort": 9}]}]
    assert [group["targets"] for group in targets([bare])] == [["127.2.0.1:9"], ["127.2.0.1"]]
