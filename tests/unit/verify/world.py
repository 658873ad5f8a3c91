"""A release in memory whose pods answer: two decode and two prefill pods, an endpoint picker, its proxy.

What goes wrong is a field. Metrics are those of a recorded vLLM 0.32.0 with its counters set anew.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from llmdctl.errors import NoKubeletError
from llmdctl.helm import Change
from llmdctl.kube import Reply
from llmdctl.model.check import Outcome
from llmdctl.model.proof import Proof, VerifyReport
from llmdctl.release.clock import Clock
from llmdctl.release.verify import selected, verify
from llmdctl.release.verify.prompts import NO_MODEL
from tests.fakes.cluster import FakeCluster, resource
from tests.fakes.helm import FakeHelm
from tests.fakes.pods import PodRequest

_FILE = Path(__file__).resolve().parents[2] / "fixtures" / "vllm-0.32" / "metrics-idle.txt"
READ = ("vllm:prompt_tokens", "vllm:prefix_cache_hits", "vllm:cache_config_info", "vllm:nixl_")
_LINES = _FILE.read_text().splitlines()
RECORDED = "\n".join(line for line in _LINES if line.removeprefix("# TYPE ").startswith(READ))
MODEL = "acme/model"
NS = "llm"
BLOCK = 32
CONFIG = {
    "apiVersion": "inference.networking.x-k8s.io/v1alpha1",
    "kind": "EndpointPickerConfig",
    "plugins": [
        {"type": "always-disagg-pd-decider"},
        {"type": "disagg-profile-handler", "parameters": {"deciders": {"prefill": "always-disagg-pd-decider"}}},
        {"type": "prefix-cache-scorer"},
        {"type": "max-score-picker"},
    ],
    "schedulingProfiles": [
        {"name": "decode", "plugins": [{"pluginRef": "prefix-cache-scorer", "weight": 3}]},
        {"name": "prefill", "plugins": [{"pluginRef": "max-score-picker"}]},
    ],
}
LOADED = (
    "{FeatureGates: {}, Plugins: [{/always-disagg-pd-decider} {/disagg-profile-handler, Parameters:"
    ' {"deciders":{"prefill":"always-disagg-pd-decider"}}} {/prefix-cache-scorer} {/max-score-picker}],'
    " SchedulingProfiles: [{Name: decode, Plugins: [{PluginRef: prefix-cache-scorer, Weight: 3.000000}]}"
    " {Name: prefill, Plugins: [{PluginRef: max-score-picker}]}], Data: <nil>}"
)
ENVOY = """
static_resources:
  listeners:
    - filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                stream_idle_timeout: 3600s
                http_filters: [{name: envoy.filters.http.ext_proc}]
                route_config:
                  virtual_hosts:
                    - routes:
                        - {match: {prefix: /}, route: {cluster: picked, timeout: 0s}}
"""


def labels(component: str) -> dict[str, str]:
    name = "scheduler" if component == "epp" else "modelserver"
    found = {"app.kubernetes.io/name": name, "app.kubernetes.io/instance": "pd"}
    role = {} if component == "epp" else {"llm-d.ai/role": component}
    return {**found, "app.kubernetes.io/component": component, **role}


def meta(name: str, component: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "namespace": NS, "labels": labels(component), **more}


def deployment(name: str, component: str, replicas: int, spec: Mapping[str, Any], **annotations: str) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta(name, component),
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels(component)},
            "template": {"metadata": {"labels": labels(component), "annotations": annotations}, "spec": spec},
        },
    }  # fmt: skip


def engine(port: int, *more: str, weights: str = "") -> dict[str, Any]:
    args = [weights, f"--served-model-name={MODEL}"] if weights else [MODEL]
    args += [f"--port={port}", f"--block-size={BLOCK}", "--max-model-len=2048"]
    args += ['--kv-transfer-config={"kv_connector":"NixlConnector","kv_role":"kv_both"}', *more]
    return {"name": "engine", "image": "docker.io/vllm/vllm-openai:v0.32.0", "command": ["vllm", "serve"], "args": args}


def scaled(role: str, query: str = "sum(inference_extension_flow_control_queue_size)", **spec: Any) -> dict[str, Any]:
    """A ScaledObject that KEDA has taken up, at rest, and whose Prometheus cannot be asked from here."""
    conditions = {"Ready": "True", "Active": "False", "Fallback": "False", "Paused": "False"}
    metadata = {"query": query, "serverAddress": "https://prometheus.example.com"}
    return {
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": meta(f"pd-{role}", role),
        "spec": {
            "minReplicaCount": 0, "maxReplicaCount": 4, "scaleTargetRef": {"name": f"pd-{role}"},
            "triggers": [{"type": "prometheus", "name": "queue", "metadata": metadata}], **spec,
        },
        "status": {
            "conditions": [{"type": kind, "status": status} for kind, status in conditions.items()],
            "health": {"s0-prometheus": {"numberOfFailures": 0, "status": "Happy"}},
        },
    }  # fmt: skip


def at_rest(role: str) -> dict[str, Any]:
    """What KEDA makes of it, while there is nobody to be scaled."""
    conditions = [
        {"type": "AbleToScale", "status": "True"},
        {"type": "ScalingActive", "status": "False", "reason": "ScalingDisabled"},
    ]
    return {
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta(f"pd-{role}", role),
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": f"pd-{role}"}, "maxReplicas": 4, "metrics": []},
        "status": {"conditions": conditions},
    }  # fmt: skip


@dataclass
class World:
    """Fields with a default that is right; set one to make a fault."""

    args: tuple[str, ...] = ()  # of every engine, rendered and live
    live_args: tuple[str, ...] = ()  # of the pods alone
    caching: bool = True
    together: bool = True
    remote: bool = True  # prefill on the prefill pod
    moves: bool = True
    failed_transfers: int = 0
    config: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(CONFIG))
    loaded: str | None = LOADED
    edited: bool = False
    old_pod: bool = False
    selector: dict[str, str] | None = None
    epp_sees: int | None = None
    epp_counts_at_s: float = 0  # until then its number of endpoints is that from before they were ready
    epp_exposes: tuple[str, ...] = ()  # further lines of its metrics
    epp_past: bool = False  # requests go past the endpoint picker
    epp_ready: bool = True
    epp_auth: bool = False
    queue: dict[str, list[float]] = field(default_factory=dict)  # priority -> seconds waited, requests, how many hardly
    epp_token: bool = True
    epp_reader: bool = False  # the chart has made an account for it
    metrics: bool = True
    status: int = 200
    model: str = MODEL
    wrong_status: int = 404
    done: str = "data: [DONE]\n\n"
    envoy: str = ENVOY
    ready: int = 2
    asleep: tuple[str, ...] = ()  # roles at zero
    wakes: int = 200  # what the request that wakes them gets
    block: int = BLOCK
    length: int = 2048
    blocks: int = 96
    weights: str = ""  # a model of the catalogue that is loaded, under MODEL's name
    accelerator: str = ""  # the facet that the release was installed for
    simulated: bool = False
    others: float = 0  # prompt tokens of other people's requests, a request of ours
    extra: tuple[dict[str, Any], ...] = ()  # objects, rendered and live
    log: tuple[str, ...] = ()  # further lines of the endpoint picker's

    def __post_init__(self) -> None:
        self.counts: dict[tuple[str, str], float] = {}
        self.requests = 0
        self.placed = {"picked": 0, "fallback": 0}
        self.cluster = FakeCluster()
        kinds = (
            ("inference.networking.k8s.io/v1", "InferencePool", "inferencepools"),
            ("keda.sh/v1alpha1", "ScaledObject", "scaledobjects"),
            ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
            ("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes"),
        )
        self.cluster.kinds += [resource(*kind) for kind in kinds]
        self.cluster.pods.otherwise = self.answer
        self.helm = FakeHelm(self.cluster, lambda *_: self.rendered())

    def verify(self, *only: str, **more: Any) -> VerifyReport:
        labels = {"llmdctl.dev/facet-accelerator": self.accelerator} if self.accelerator else {}
        self.helm.upgrade(Change(name="pd", namespace=NS, chart="", labels=labels))
        self.live()
        self.now_s = 0.0
        clock = Clock(monotonic=lambda: self.now_s, sleep=self.sleep)
        claims = selected(only, ())
        return verify("pd", NS, helm=self.helm, cluster=self.cluster, claims=claims, clock=clock, **more)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    # Objects.

    def rendered(self) -> list[dict[str, Any]]:
        pool = {"matchLabels": {k: v for k, v in labels("decode").items() if k.endswith(("/name", "/instance"))}}
        sidecar = {"name": "routing-sidecar", "image": "ghcr.io/llm-d/llm-d-routing-sidecar:v0.7.1",
                   "args": ["--port=8000", "--vllm-port=8200"], "restartPolicy": "Always"}  # fmt: skip
        epp = {
            "containers": [
                {"name": "epp", "image": "ghcr.io/llm-d/llm-d-inference-scheduler:v0.7.1",
                 "args": ["--config-file=/etc/epp/epp-config.yaml", "--pool-name=pd", "--metrics-port=9090"],
                 "volumeMounts": [{"name": "config", "mountPath": "/etc/epp"}]},
                {"name": "proxy", "image": "docker.io/envoyproxy/envoy:v1", "command": ["envoy"],
                 "ports": [{"name": "proxy", "containerPort": 8081}, {"name": "proxy-health", "containerPort": 19001}]},
            ],
            "volumes": [{"name": "config", "configMap": {"name": "pd-epp"}}],
        }  # fmt: skip
        return [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("pd-epp", "epp"),
             "data": {"epp-config.yaml": yaml.safe_dump(self.config)}},
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("pd-proxy", "epp"),
             "data": {"e.yaml": self.envoy}},
            {"apiVersion": "v1", "kind": "Service", "metadata": meta("pd-epp", "epp"),
             "spec": {"selector": labels("epp"), "ports": [{"name": "http", "port": 80, "targetPort": "proxy"}]}},
            deployment("pd-decode", "decode", 2,
                       {"containers": [engine(8200, *self.args, weights=self.weights)], "initContainers": [sidecar]}),
            deployment("pd-prefill", "prefill", 2, {"containers": [engine(8000, *self.args, weights=self.weights)]}),
            deployment("pd-epp", "epp", 1, epp, **{"checksum/config": "new"}),
            {"apiVersion": "inference.networking.k8s.io/v1", "kind": "InferencePool", "metadata": meta("pd", "epp"),
             "spec": {"selector": pool, "targetPorts": [{"number": 8000}]}},
            *(make(role) for role in self.asleep for make in (scaled, at_rest)),
            *self.extra,
        ]  # fmt: skip

    def live(self) -> None:
        for component, replicas in (("decode", 2), ("prefill", 2), ("epp", 1)):
            if component in self.asleep:
                self.cluster.find("Deployment", f"pd-{component}")["spec"]["replicas"] = 0
                continue
            template = self.cluster.find("Deployment", f"pd-{component}")["spec"]["template"]
            for number in range(replicas):
                spec = copy.deepcopy(template["spec"])
                if component != "epp":
                    spec["containers"][0]["args"] += self.live_args
                ready = self.epp_ready if component == "epp" else number < self.ready
                checksum = {"checksum/config": "old" if self.old_pod else "new"}
                self.cluster.put({
                    "apiVersion": "v1", "kind": "Pod",
                    "metadata": meta(f"pd-{component}-{number}", component, annotations=checksum), "spec": spec,
                    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]},
                })  # fmt: skip
        if self.edited:
            self.cluster.find("ConfigMap", "pd-epp")["data"] = {"epp-config.yaml": "kind: EndpointPickerConfig"}
        if self.selector is not None:
            self.cluster.find("InferencePool", "pd")["spec"]["selector"] = {"matchLabels": self.selector}
        said = () if self.loaded is None else (json.dumps({"msg": "Loaded raw configuration", "config": self.loaded}),)
        self.cluster.pod_logs["pd-epp-0", "epp", False] = ('{"msg":"Flags processed"}', *said, *self.log)
        self._tokens()

    def wake(self) -> Reply:
        """The pods that KEDA brings back, and their answer."""
        self.now_s += 40
        if self.wakes == 200:
            for role in self.asleep:
                self.cluster.find("Deployment", f"pd-{role}")["spec"]["replicas"] = 2
            self.asleep = ()
            self.live()
        return _json(self.wakes, {"model": self.model, "choices": [{"text": "yes"}]})

    def _tokens(self) -> None:
        component = "metrics-reader" if self.epp_reader else "epp"
        self.cluster.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta("reader", component)})
        path = f"/api/v1/namespaces/{NS}/serviceaccounts/reader/token"
        self.cluster.exchanges["POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews"] = (
            201, {"status": {"allowed": self.epp_token}},
        )  # fmt: skip
        self.cluster.exchanges["POST", path] = (201, {"status": {"token": "short-lived"}})

    # What answers.

    def answer(self, asked: PodRequest) -> Any:
        if self.simulated:
            return NoKubeletError("its node forwards nothing")
        if asked.pod.startswith("pd-epp"):
            by_port = {8081: self.entrance, 9090: self.epp_metrics, 19001: self.proxy_stats}
            return by_port[asked.port](asked)
        if asked.path == "/v1/models":
            return _json(200, {"data": [{"id": MODEL, "max_model_len": self.length}]})
        return Reply(status=200, body=self.exposed(asked.pod).encode())

    def entrance(self, asked: PodRequest) -> Reply:
        self.requests += 1
        self.now_s += 0.5
        if asked.path == "/v1/models":
            return _json(self.status, {"data": [{"id": MODEL}]})
        body = asked.json
        if body["model"] == NO_MODEL:
            return _json(self.wrong_status, {"error": {"message": "no such model"}})
        if self.status != 200:
            return _json(self.status, {})
        if "decode" in self.asleep:
            return self.wake()
        if body.get("stream"):
            return Reply(status=200, body=f'data: {{"choices":[]}}\n\n{self.done}'.encode())
        tokens = len(str(body["prompt"]).split())
        self.process(str(body["prompt"]), tokens)
        usage = {"prompt_tokens": tokens, "completion_tokens": 4}
        return _json(200, {"model": self.model, "choices": [{"text": "yes"}], "usage": usage})

    def process(self, prompt: str, tokens: int) -> None:
        self.placed["fallback" if self.epp_past else "picked"] += 1
        seen = self.counts.setdefault(("", prompt), 0)
        self.counts["", prompt] += 1
        decode = "pd-decode-0" if self.together else f"pd-decode-{int(seen) % 2}"
        self.add(decode, "prompt_tokens_total", tokens)
        if self.others:
            self.add("pd-decode-1", "prompt_tokens_total", self.others)
        if seen and self.caching:
            self.add(decode, "prefix_cache_hits_total", tokens // BLOCK * BLOCK)
        if self.remote:
            self.add("pd-prefill-0", "prompt_tokens_total", tokens)
        if self.moves and self.remote:
            self.add(decode, 'prompt_tokens_by_source_total{source="external_kv_transfer"}', tokens)
        if self.failed_transfers:
            self.add(decode, "nixl_num_failed_transfers_total", self.failed_transfers)

    def add(self, pod: str, name: str, by: float) -> None:
        self.counts[pod, name] = self.counts.get((pod, name), 0) + by

    def exposed(self, pod: str) -> str:
        if not self.metrics:
            return "nothing_else 1\n"
        text = RECORDED + "\n"
        for key, value in (
            ("block_size", self.block),
            ("num_gpu_blocks", self.blocks),
            ("kv_cache_size_tokens", self.blocks * self.block),
            ("enable_prefix_caching", self.caching),
        ):
            text = re.sub(rf'([{{,]){key}="[^"]*"', rf'\g<1>{key}="{value}"', text)
        for (counted, name), value in self.counts.items():
            plain, _, label = name.partition("{")
            if counted != pod:
                continue
            front = f"vllm:{plain}{{"
            lines = [line for line in text.splitlines() if not (line.startswith(front) and label.rstrip("}") in line)]
            text = "\n".join([*lines, f'vllm:{plain}{{engine="0",{label.rstrip("}")}}} {value}'.replace(",}", "}"), ""])
        return text

    def epp_metrics(self, asked: PodRequest) -> Reply:
        if self.epp_auth and asked.headers.get("authorization") != "Bearer short-lived":
            return Reply(status=401)
        sees = self.ready * (2 - len(self.asleep)) if self.epp_sees is None else self.epp_sees
        if self.now_s < self.epp_counts_at_s:
            sees = 0
        total = self.placed["picked"]
        lines = (
            f'inference_pool_ready_pods{{name="pd"}} {sees}',
            f'inference_objective_request_total{{a="b"}} {total}',
        )
        front = "inference_extension_flow_control_request_queue_duration_seconds"
        waits = [
            f'{front}_{part}{{priority="{priority}",outcome="Dispatched"}} {value}'
            for priority, pair in self.queue.items()
            for part, value in zip(("sum", "count"), pair[:2], strict=True)
        ]
        waits += [
            f'{front}_bucket{{priority="{priority}",outcome="Dispatched",le="0.1"}} {pair[2]}'
            for priority, pair in self.queue.items()
            if len(pair) > 2
        ]
        return Reply(status=200, body="\n".join([*lines, *waits, *self.epp_exposes, ""]).encode())

    def proxy_stats(self, asked: PodRequest) -> Reply:
        lines = [f'envoy_cluster_upstream_rq_total{{envoy_cluster_name="{k}"}} {v}\n' for k, v in self.placed.items()]
        return Reply(status=200, body="".join(lines).encode())


def _json(status: int, document: object) -> Reply:
    return Reply(status=status, body=json.dumps(document).encode())


def proof(report: VerifyReport, code: str) -> Proof:
    return next(each for each in report.proofs if each.code == code)


def failures(report: VerifyReport) -> list[str]:
    return [each.code for each in report.of(Outcome.FAIL)]
