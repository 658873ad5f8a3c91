"""Many models behind one address: each is asked by its name, its adapters by theirs; models come, go and sleep.

The shared Gateway is installed as the recipe says. The sandbox has no gateway implementation, so a small controller of
the tests (`gateway`) has the real Envoy do what the Gateway's objects say; the body-based router, the endpoint pickers,
KEDA and the engines are the real ones of the releases. With an endpoint picker 0.7 flow control has no priorities.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml

from llmdctl import assets, helm, kube, programs
from llmdctl.model.check import Outcome
from llmdctl.model.hop import HEALTHY
from llmdctl.release.doctor import diagnose, observe
from llmdctl.release.verify import selected, verify
from tests.e2e.autoscaling.seen import replicas
from tests.e2e.conftest import RealNode, beside
from tests.e2e.datapath import gateway
from tests.e2e.datapath.load import Load, running, stream
from tests.e2e.datapath.serving import Serving, curl, llmdctl
from tests.e2e.doctor.seeding import told
from tests.e2e.inside import Inside
from tests.e2e.sandbox.objects import wait

SMALL, LARGE, THIRD = "openai/gpt-oss-20b", "Qwen/Qwen3-32B", "Qwen/Qwen3-0.6B"
FACETS = {"small": "gpt-oss-20b", "large": "qwen3-32b", "third": "qwen3-0.6b"}
TENANT = "x-llm-d-inference-fairness-id"
COUNTED = "vllm:request_success_total"
QUOTA = 3
FRONT = assets.paths() / "model-as-a-service" / "front.yaml"
AWAKE = ("--set", "autoscaling.roles.aggregate.minReplicas=1")
ADAPTERS = (
    "--set", "modelserver.lora.adapters.food-review.source=acme/food-review",
    "--set", "modelserver.lora.dynamic=true",
    "--set", "gateway.modelRouting.names.food-review=true",
    "--set", "gateway.modelRouting.names.booking=true",
)  # fmt: skip
# Seconds in place of minutes: what is looked at is who wakes and who sleeps, not how calmly.
QUICK = """\
autoscaling:
  roles: {aggregate: {pollingSeconds: 1, cooldownSeconds: 4}}
  roleDefaults:
    behavior: {scaleDown: {stabilizationWindowSeconds: 0, policies: [{type: Pods, value: 8, periodSeconds: 1}]}}
monitoring: {intervalSeconds: 1}
modelserver:
  roleDefaults:
    containerPatch: {startupProbe: {periodSeconds: 1}}
scheduler:
  certificateSecret: picker
  flags: {refresh-metrics-interval: 200ms, refresh-prometheus-metrics-interval: 500ms}
  env: {GOGC: 400}
"""


@dataclass(frozen=True)
class Models:
    """The Gateway's namespace. `url` is the one address."""

    node: RealNode
    namespace: str
    url: str
    words: tuple[str, ...]  # of every install
    inside: Inside

    def install(self, release: str, *words: str) -> None:
        llmdctl(
            "install", "model-as-a-service", release, "-n", self.namespace, "--accelerator", "h200",
            "--model", FACETS[release], *self.words, *words, "--timeout", "100",
            kubeconfig=Path(self.node.kubeconfig),
        )  # fmt: skip

    def release(self, name: str, model: str) -> Serving:
        cluster = kube.connect(kubeconfig=Path(self.node.kubeconfig))
        return Serving(
            cluster=cluster, namespace=self.namespace, release=name, model=model, url=self.url, inside=self.inside
        )  # fmt: skip

    def replicas(self, release: str) -> tuple[int, int]:
        return replicas(self.node.api, self.namespace, f"{release}-aggregate")

    def ask(self, model: str, *words: str) -> int:
        """Status of a small request."""
        body = json.dumps({"model": model, "prompt": f"asked at {time.monotonic()}", "max_tokens": 2})
        return curl(f"{self.url}/v1/completions", "-H", "content-type: application/json", "-d", body, *words)[0]

    def answers(self, model: str) -> bool:
        return stream(self.url, model, f"asked at {time.monotonic()}", 1) == ""


@pytest.fixture(scope="module")
def models(picker_dialect: str, real_node: RealNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Models]:
    if not beside():
        pytest.skip("this machine's distribution has no Prometheus, so nobody would wake a model")
    folder = tmp_path_factory.mktemp("models")
    quick = folder / "quick.yaml"
    quick.write_text(QUICK, encoding="utf-8")
    stated = yaml.safe_load(real_node.values.read_text())
    words = ("-f", str(real_node.values), "-f", str(quick), "--role", "aggregate.drainSeconds=10")
    if picker_dialect == "0.7":
        words += ("--flow-control", "none")
    namespace = real_node.namespace("models")
    _front(real_node, namespace, stated["gateway"], folder / "front.yaml")
    image = stated["scheduler"]["proxy"]["image"]
    entrance = gateway.Gateway(
        api=real_node.api,
        namespace=namespace,
        name="models",
        image=f"{image['registry']}/{image['repository']}:{image['tag']}",
        folder=tmp_path_factory.mktemp("gateway"),
    )
    with contextlib.ExitStack() as opened:
        opened.enter_context(gateway.serving(entrance))
        url = opened.enter_context(real_node.forwarded(namespace, entrance.name, 80))
        inside = opened.enter_context(real_node.inside())
        found = Models(node=real_node, namespace=namespace, url=url, words=words, inside=inside)
        with ThreadPoolExecutor() as both:
            list(both.map(lambda words: found.install(*words), [("small",), ("large", *AWAKE, *ADAPTERS)]))
        wait("answers of both", lambda: found.answers(SMALL) and found.answers(LARGE), limit_s=60)
        yield found
    real_node.free(namespace)


def _front(node: RealNode, namespace: str, own: dict[str, Any], file: Path) -> None:
    """The Gateway that all models share, by Helm alone, as the recipe says; with this sandbox's image and a quota."""
    values = own | {"tenants": {"limits": {"acme": {"requests": QUOTA, "per": "hour"}}}}
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    subprocess.run(
        [
            str(programs.find("helm").path), "install", "models", str(assets.charts() / "gateway"), "-n", namespace,
            "-f", str(FRONT), "-f", str(file), "--kubeconfig", str(node.kubeconfig),
        ],
        check=True, capture_output=True, timeout=90,
    )  # fmt: skip


@pytest.fixture
def serving(models: Models) -> Serving:
    return models.release("large", LARGE)


def test_each_model_answers_by_its_name_at_one_address(models: Models, serving: Serving, client: openai.OpenAI):
    before = serving.total("aggregate", COUNTED)
    for model, number in {SMALL: 2, LARGE: 3}.items():
        for _ in range(number):
            answer = client.completions.create(model=model, prompt="who are you?", max_tokens=3)
            assert answer.model == model, "an engine answers to no name but its own"
    parts = list(client.completions.create(model=LARGE, prompt="tell me", max_tokens=8, stream=True))
    assert len(parts) > 5, "it came in pieces"
    assert serving.total("aggregate", COUNTED) - before == 4
    with pytest.raises(openai.NotFoundError):
        client.completions.create(model="nobody/nothing", prompt="x", max_tokens=1)


def test_adapters_are_asked_for_by_name_and_come_while_the_engine_runs(models: Models, client: openai.OpenAI):
    large = models.release("large", LARGE)
    answer = client.completions.create(model="food-review", prompt="how was it?", max_tokens=3)
    assert answer.model == "food-review"
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.completions.create(model="booking", prompt="a table", max_tokens=1)
    for pod in large.pods("aggregate"):
        loaded = {"lora_name": "booking", "lora_path": "acme/booking"}
        large.post(pod, large.port("aggregate"), "/v1/load_lora_adapter", loaded)
    assert client.completions.create(model="booking", prompt="a table", max_tokens=3).model == "booking"
    assert all(found.has("vllm:lora_requests_info") for found in large.metrics("aggregate").values())


def test_a_tenant_over_its_quota_gets_429_and_others_notice_nothing(models: Models):
    acme = [models.ask(LARGE, "-H", f"{TENANT}: acme") for _ in range(QUOTA + 2)]
    assert acme == [200] * QUOTA + [429] * 2
    assert models.ask("food-review", "-H", f"{TENANT}: acme") == 429, "over all models together"
    assert [models.ask(LARGE, "-H", f"{TENANT}: bolt") for _ in range(QUOTA + 2)] == [200] * (QUOTA + 2)
    assert models.ask(SMALL) == 200


def test_a_model_comes_sleeps_wakes_and_goes_and_no_other_notices(models: Models, capsys):
    with running(Load(models.url, LARGE, clients=2, tokens=20, pause_s=0.2)) as load:
        models.install("third", *AWAKE)
        wait("the third model", lambda: models.ask(THIRD) == 200)
        wait("the small one to sleep", lambda: models.replicas("small") == (0, 0), limit_s=60)
        began_s = time.monotonic()
        assert stream(models.url, SMALL, "wake up", 3) == ""
        woken_s = time.monotonic() - began_s
        llmdctl("uninstall", "third", "-n", models.namespace, "--yes", kubeconfig=Path(models.node.kubeconfig))
        wait("its name to be nobody's", lambda: models.ask(THIRD) == 404)
    with capsys.disabled():
        print(f"\na sleeping model answered after {woken_s:.1f} s; {len(load.asked)} requests of another meanwhile")
    assert load.failed() == []
    assert len(load.asked) > 20


def test_it_is_proved(models: Models, serving: Serving, proved):
    # On a busy machine Prometheus may be late, and KEDA's fallback stands in for a moment.
    reads = selected(["LV0901"], ())
    cluster, door = serving.cluster, helm.open_helm(kubeconfig=Path(models.node.kubeconfig))

    def well() -> bool:
        return verify("large", models.namespace, helm=door, cluster=cluster, claims=reads).proofs[0].outcome == "pass"

    wait("a number for the autoscaler", well, limit_s=60)
    proved(serving)


def test_one_that_sleeps_is_told_from_one_that_is_broken_and_proved_when_it_is_woken(models: Models, capsys):
    kubeconfig = Path(models.node.kubeconfig)
    cluster, door = kube.connect(kubeconfig=kubeconfig), helm.open_helm(kubeconfig=kubeconfig)
    wait("the small one to sleep", lambda: models.replicas("small") == (0, 0), limit_s=60)
    asleep = verify("small", models.namespace, helm=door, cluster=cluster)
    assert asleep.asleep == ("prefill-decode",)
    assert {proof.outcome for proof in asleep.proofs} == {Outcome.PASS, Outcome.SKIP}, asleep.proofs
    assert {"LV0201", "LV0301", "LV0302", "LV0801", "LV0901", "LV0903"} <= {
        proof.code for proof in asleep.of(Outcome.PASS)
    }
    chosen = {"namespace": models.namespace, "release": "small"}
    found = diagnose(observe(cluster, **chosen), **chosen)
    assert (found.exit_code, found.requests) == (HEALTHY, 0), [told(chain) for chain in found.chains]
    assert "asleep" in told(found.chains[0])
    assert models.replicas("small") == (0, 0), "neither of them wakes it"
    woken = verify("small", models.namespace, helm=door, cluster=cluster, wake_s=60.0)
    with capsys.disabled():
        print(f"\n{next(proof.message for proof in woken.proofs if proof.code == 'LV0904')}")
    assert {"LV0101", "LV0302", "LV0904"} <= {proof.code for proof in woken.of(Outcome.PASS)}, woken.proofs
    assert not woken.of(Outcome.FAIL)
