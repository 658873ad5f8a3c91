"""Metric names in queries, and whether the endpoint picker reads the names that its engines have."""

from __future__ import annotations

import json
import textwrap

import pytest

from llmdctl.lint.metric_names import engine_metrics, engine_prefixes, epp_metrics, versions_with
from llmdctl.lint.reading import read
from llmdctl.lint.rules import metric_dialect, metrics
from llmdctl.lint.world import Versions, World
from llmdctl.model.finding import Finding, Severity

E, W, N = Severity.ERROR, Severity.WARNING, Severity.NOTE
PLAIN = "plugins:\n- type: queue-scorer\n"


def scaled(query: str) -> str:
    return f"""\
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {{name: s, namespace: ns}}
spec:
  triggers:
  - type: prometheus
    metadata:
      query: {json.dumps(query)}
"""


def alert(query: str, record: str = "x:y") -> str:
    return f"""\
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {{name: r, namespace: ns}}
spec:
  groups:
  - name: g
    rules:
    - record: {record}
      expr: up
    - alert: A
      expr: {json.dumps(query)}
"""


def epp(version: str = "v0.9.0", config: str = PLAIN, more: str = "") -> str:
    return f"""\
apiVersion: v1
kind: ConfigMap
metadata: {{name: epp, namespace: ns}}
data:
  c.yaml: |
{textwrap.indent(config, "    ")}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: epp, namespace: ns}}
spec:
  template:
    spec:
      containers:
      - name: epp
        image: ghcr.io/llm-d/llm-d-router-endpoint-picker:{version}
        args: [--pool-name=p, --config-file=/etc/epp/c.yaml{more}]
        volumeMounts: [{{name: config, mountPath: /etc/epp}}]
      volumes: [{{name: config, configMap: {{name: epp}}}}]
---
apiVersion: inference.networking.k8s.io/v1
kind: InferencePool
metadata: {{name: p, namespace: ns}}
spec:
  selector: {{matchLabels: {{app: m}}}}
  targetPorts: [{{number: 8000}}]
"""


VLLM = ("vllm/vllm-openai:v0.32.0", ["--model=m"])
SGLANG = ("lmsysorg/sglang:v0.5.23", ["sglang", "serve", "--model-path=m", "--enable-metrics"])
TRTLLM = ("nvcr.io/nvidia/tensorrt-llm/release:1.3.0", ["trtllm-serve", "serve", "m"])


def engine(image: str, words: list[str], labels: str = "app: m") -> str:
    key = "args" if words[0].startswith("--") else "command"
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: m, namespace: ns}}
spec:
  template:
    metadata: {{labels: {{{labels}}}}}
    spec:
      containers:
      - name: engine
        image: {image}
        {key}: {json.dumps(words)}
"""


def found(*texts: str, version: str = "") -> list[Finding]:
    done = read("---\n".join(texts), "m.yaml")
    assert not done.findings
    world = World(done.manifests, Versions(epp=version))
    return [*metrics.check(world), *metric_dialect.check(world)]


def codes(*texts: str, version: str = "") -> list[tuple[str, Severity]]:
    return [(item.code, item.severity) for item in found(*texts, version=version)]


FLOW = "featureGates: [flowControl]\n" + PLAIN


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('sum(llm_d_epp_flow_control_queue_size{namespace="n",inference_pool="p",priority="0"})', []),
        ("sum(rate(llm_d_epp_request_total[1m]))", []),
        ("sum(rate(llm_d_epp_request_duration_seconds_bucket[1m])) by (le)", []),
        ("up + kube_deployment_status_replicas", []),
        ("sum(llm_d_epp_flow_control_queue_sizes)", [("LD1860", E)]),
        ("sum(llm_d_epp_request_duration_seconds)", [("LD1860", E)]),
        ("sum(llm_d_router_epp_request_total)", [("LD1860", E)]),
        ('sum(llm_d_epp_flow_control_queue_size{pool="p"})', [("LD1862", W)]),
        ('sum(llm_d_epp_ready_endpoints{inference_pool="p"})', [("LD1862", W)]),
        ('sum(llm_d_epp_ready_endpoints{team="p"})', []),
        ("sum(inference_pool_ready_pods)", [("LD1864", N)]),
        ("sum(inference_objective_request_sizes_x)", [("LD1860", E)]),
    ],
)
def test_metrics_of_the_endpoint_picker(query: str, expected: list[tuple[str, Severity]]) -> None:
    assert codes(epp(config=FLOW), scaled(query)) == expected


def test_a_metric_of_another_release_names_it() -> None:
    query = scaled("sum(llm_d_epp_flow_control_queue_size)")
    (finding,) = found(epp("v0.7.1"), query)
    assert finding.code == "LD1860"
    assert finding.remedy == "It is there in EPP 0.9, 0.10."
    assert finding.path == "spec.triggers[0].metadata.query"
    assert finding.line is not None


def test_without_an_endpoint_picker_any_release_counts() -> None:
    assert codes(scaled("sum(inference_pool_average_queue_size)")) == []
    assert codes(scaled("sum(llm_d_epp_nonsense)")) == [("LD1860", E)]
    assert codes(scaled("sum(llm_d_epp_request_running)"), version="0.7.1") == [("LD1860", E)]


def test_metrics_that_need_a_gate_a_plugin_or_a_flag() -> None:
    query = "sum(llm_d_epp_flow_control_pool_saturation)"
    assert codes(epp(), scaled(query)) == [("LD1863", E)]
    assert codes(epp(), alert(query)) == [("LD1863", W)]
    assert codes(epp(config=FLOW), scaled(query)) == []
    conditional = {m.condition: name for name, m in epp_metrics("0.9").series.items() if m.condition}
    streams = next((name for condition, name in conditional.items() if "grpc" in condition), None)
    if streams:
        assert codes(epp(), scaled(streams)) == [("LD1863", E)]
        assert codes(epp(more=", --enable-grpc-stream-metrics"), scaled(streams)) == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sum(vllm:kv_cache_usage_perc)", []),
        ('sum(rate(vllm:prompt_tokens_total{model_name="m",engine="0"}[1m]))', []),
        ("histogram_quantile(0.9, rate(vllm:time_to_first_token_seconds_bucket[1m]))", []),
        ("sum(vllm:gpu_cache_usage_perc)", [("LD1860", E)]),
        ("rate(vllm:prompt_tokens[1m])", [("LD1860", E)]),
        ('sum(vllm:num_requests_waiting{model="m"})', [("LD1862", W)]),
        ("vllm:num_requests_waiting:rate5m", []),
        ("sum(sglang:num_queue_reqs)", [("LD1861", E)]),
        ("sum(sglang:num_queue_requests)", [("LD1860", W)]),
    ],
)
def test_metrics_of_the_engine(query: str, expected: list[tuple[str, Severity]]) -> None:
    assert codes(engine(*VLLM), scaled(query)) == expected


def test_an_engine_of_another_release_is_less_sure() -> None:
    old = engine("vllm/vllm-openai:v0.8.0", ["--model=m"])
    (finding,) = found(old, scaled("sum(vllm:gpu_cache_usage_perc)"))
    assert finding.severity is W
    assert finding.remedy == "Did you mean 'vllm:kv_cache_usage_perc'?"


def test_recording_rules_make_names() -> None:
    rule = alert("inference_pool_mine > 1", record="inference_pool_mine")
    assert codes(epp(), rule) == []
    assert codes(epp(), alert("inference_pool_mine > 1")) == [("LD1860", E)]


def test_alerts_may_speak_of_any_engine() -> None:
    assert codes(engine(*VLLM), alert("sglang:num_queue_reqs > 1")) == []


@pytest.mark.parametrize(
    ("config", "what", "labels", "expected"),
    [
        (PLAIN, VLLM, "app: m", []),
        (PLAIN, SGLANG, "app: m", ["LD1867"]),
        (PLAIN, SGLANG, "app: m, llm-d.ai/engine-type: sglang", []),
        (PLAIN, SGLANG, "app: m, inference.networking.k8s.io/engine-type: sglang", []),
        (PLAIN + "- type: core-metrics-extractor\n  parameters: {defaultEngine: sglang}\n", SGLANG, "app: m", []),
        (PLAIN + "- type: core-metrics-extractor\n  parameters: {defaultEngine: sglang}\n", VLLM, "app: m", ["LD1867"]),
        (PLAIN, TRTLLM, "app: m, llm-d.ai/engine-type: trtllm-serve", ["LD1868"]),
        (
            PLAIN + "- type: metrics-data-source\n  parameters: {path: /prometheus/metrics}\n",
            TRTLLM,
            "app: m, llm-d.ai/engine-type: trtllm-serve",
            [],
        ),
        # A label that the picker does not know means its default engine.
        (
            PLAIN + "- type: core-metrics-extractor\n  parameters: {defaultEngine: sglang}\n",
            SGLANG,
            "app: m, llm-d.ai/engine-type: sglang-gpu",
            [],
        ),
        (PLAIN, SGLANG, "app: m, llm-d.ai/engine-type: sglang-gpu", ["LD1867"]),
        ("plugins:\n- type: random-picker\n", SGLANG, "app: m", []),
        (PLAIN, (SGLANG[0], SGLANG[1][:-1]), "app: m, llm-d.ai/engine-type: sglang", ["LD1869"]),
        (PLAIN, SGLANG, "app: other", []),
    ],
)
def test_the_endpoint_picker_reads_the_engine_s_names(
    config: str, what: tuple[str, list[str]], labels: str, expected: list[str]
) -> None:
    assert [item.code for item in found(epp(config=config), engine(*what, labels))] == expected


def test_release_0_7_reads_vllm_only() -> None:
    labelled = engine(*SGLANG, labels="app: m, inference.networking.k8s.io/engine-type: sglang")
    assert [item.code for item in found(epp("v0.7.1"), labelled)] == ["LD1867"]
    layered = "featureGates: [dataLayer]\n" + PLAIN + "- type: model-server-protocol-metrics\n"
    assert found(epp("v0.7.1", layered), labelled) == []


def test_the_data() -> None:
    assert len(epp_metrics("0.7").series) > 46
    assert "llm_d_epp_request_running" in epp_metrics("0.9").series
    assert versions_with("llm_d_epp_request_running") == ("0.9", "0.10")
    assert set(engine_prefixes().values()) == {"vllm", "sglang", "trtllm"}
    # What each release of the endpoint picker reads by itself must be among them.
    for engine_name, names in {
        "vllm": ("vllm:num_requests_waiting", "vllm:num_requests_running", "vllm:kv_cache_usage_perc"),
        "sglang": ("sglang:num_queue_reqs", "sglang:num_running_reqs", "sglang:token_usage"),
        "trtllm": ("trtllm_num_requests_waiting", "trtllm_num_requests_running", "trtllm_kv_cache_utilization"),
    }.items():
        assert set(names) <= set(engine_metrics(engine_name).series)


@pytest.mark.parametrize("odd", ["5", "[5]", "{a: 5}", "x", "null"])
def test_odd_values_get_an_answer(odd: str) -> None:
    config = PLAIN + f"- type: core-metrics-extractor\n  parameters: {{engineConfigs: {odd}, defaultEngine: {odd}}}\n"
    rule = alert("up").replace("    rules:\n    - record: x:y\n      expr: up\n", f"    rules: {odd}\n", 1)
    rule = rule[: rule.index(f"rules: {odd}")] + f"rules: {odd}\n"
    assert isinstance(codes(epp(config=config), engine(*SGLANG), rule), list)
