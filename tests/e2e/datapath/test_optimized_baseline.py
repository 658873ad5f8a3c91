"""Two releases of one recipe and one model in one namespace: each serves as its path says, and none sees the other.

One name begins with the other and ends as a part of it does, the hardest pair for names and patterns. Requests that
share a prefix go where it is cached; a client sees one server that answers as vLLM does; and it notices nothing when
pods come and go, where there was time to drain.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import cycle
from pathlib import Path

import openai
import pytest

from llmdctl.prometheus import Prometheus, over_http
from llmdctl.release.verify.names import REQUESTS, epp_names
from llmdctl.sandbox.images import dialect
from tests.e2e.conftest import beside
from tests.e2e.datapath.crowd import switch
from tests.e2e.datapath.load import Load, running, stream
from tests.e2e.datapath.serving import Serving, curl, llmdctl, settled, shared_prefix
from tests.e2e.sandbox.objects import DEPLOYMENTS, PODS, POOLS, wait

MODEL = "Qwen/Qwen3-32B"
SMALL, LARGE = "shop", "shop-epp"
REPLICAS = {SMALL: 1, LARGE: 3}
ASKED = {SMALL: 7, LARGE: 3}
COUNTED = "vllm:request_success_total"
RUNNING = "vllm:num_requests_running"
GROUPS, TURNS = 6, 6  # prompts of one prefix, and how many of each
TOKENS = 640
# An engine that goes has requests at work for most of a second each: of few tokens, for each costs every hop its work.
TOKENS_ASKED, SLOW = 20, 40.0
PAUSE_S = 0.2  # of a client between its requests: what asks without one takes all there is of this machine
AFTER_S = 5.0  # by then a dead pod gets nothing, and what it held has ended
# A pod waits a quarter of it before it stops, for those who still send to it: seven seconds in place of fifteen. Of the
# release that is removed it is less, so that what is removed is soon gone.
DRAIN_S = {SMALL: 10, LARGE: 30}
PROXY = ("--set", "scheduler.proxy.drainSeconds=2")
METRICS = ("--metrics", "prometheus-operator", "--set", "monitoring.intervalSeconds=1")

Releases = Mapping[str, Serving]


@pytest.fixture(scope="module")
def neighbours(serve_all) -> Iterator[Releases]:
    more = (*PROXY, *(METRICS if beside() else ()))
    words = {
        release: ("--role", f"aggregate.replicas={number}", "--role", f"aggregate.drainSeconds={DRAIN_S[release]}")
        for release, number in REPLICAS.items()
    }
    with serve_all("optimized-baseline", MODEL, {release: (*own, *more) for release, own in words.items()}) as found:
        yield found


@pytest.fixture
def serving(neighbours: Releases) -> Serving:
    return neighbours[LARGE]


def test_each_is_proved_with_its_own_endpoints_alone(neighbours: Releases, proved):
    for release, serving in neighbours.items():
        assert f"all {REPLICAS[release]} endpoints" in proved(serving)["LV0302"]["message"]


def test_requests_are_counted_where_they_were_sent(neighbours: Releases, real_node):
    before = {release: serving.total("aggregate", COUNTED) for release, serving in neighbours.items()}
    with _prometheus(real_node) as prometheus:
        _scraped_now(prometheus, neighbours)
        placed = _placed(prometheus, neighbours)
        for release, serving in neighbours.items():
            for number in range(ASKED[release]):
                assert stream(serving.url, MODEL, f"{release} asks {number}", 2) == ""
        after = {release: serving.total("aggregate", COUNTED) for release, serving in neighbours.items()}
        assert {release: after[release] - before[release] for release in before} == ASKED
        if prometheus is not None:
            wanted = {release: placed[release] + ASKED[release] for release in placed}
            wait(f"{wanted} requests in Prometheus", lambda: _placed(prometheus, neighbours) == wanted)
            _scraped_once(prometheus, neighbours)


def test_shared_prefixes_are_found_far_more_often_than_by_round_robin(serving, client, capsys):
    before = _counts(serving)
    for turn in range(TURNS):
        for group in range(GROUPS):
            prompt = f"{shared_prefix(f'epp{group}', TOKENS)} question {turn}"
            client.completions.create(model=MODEL, prompt=prompt, max_tokens=2, temperature=0)
    routed = _rate(serving, before)

    before = _counts(serving)
    pods = cycle(serving.pods("aggregate"))
    for turn in range(TURNS):
        for group in range(GROUPS):
            prompt = f"{shared_prefix(f'robin{group}', TOKENS)} question {turn}"
            body = {"model": MODEL, "prompt": prompt, "max_tokens": 2, "temperature": 0}
            serving.ask_engine(next(pods), "aggregate", body)
        next(pods)  # else each group would always meet the same pod
    robin = _rate(serving, before)

    with capsys.disabled():
        print(f"\nprefix hit rate: {routed:.2f} through the endpoint picker, {robin:.2f} by round robin")
    assert routed > 0.7  # (TURNS - 1) / TURNS at best
    assert routed > robin + 0.2


def test_a_stream_ends_with_its_usage_and_says_what_the_whole_answer_says(serving, client):
    asked = {"model": MODEL, "prompt": "tell me of prefixes", "max_tokens": 20, "temperature": 0}
    whole = client.completions.create(**asked)
    parts = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert "".join(part.choices[0].text for part in parts if part.choices) == whole.choices[0].text
    assert sum(1 for part in parts if part.choices) > 5, "it came in pieces"
    assert parts[-1].usage == whole.usage
    chat = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hello"}], max_tokens=5)
    assert chat.choices[0].finish_reason == "length"


def test_a_model_that_is_not_served_is_a_404_and_a_bad_request_a_400(serving, client):
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.completions.create(model="nobody/nothing", prompt="x", max_tokens=1)
    with pytest.raises(openai.BadRequestError):
        client.completions.create(model=MODEL, prompt="x", max_tokens=-1)


def test_curl_lists_the_model_and_streams(serving):
    status, body = curl(f"{serving.url}/v1/models")
    assert status == 200
    assert [each["id"] for each in json.loads(body)["data"]] == [MODEL]
    asked = json.dumps({"model": MODEL, "prompt": "x", "max_tokens": 3, "stream": True})
    status, body = curl(f"{serving.url}/v1/completions", "-H", "content-type: application/json", "-d", asked)
    assert status == 200
    assert body.rstrip().endswith("data: [DONE]")


def test_a_killed_pod_loses_what_it_held_and_gets_nothing_new(serving, real_node, capsys):
    victim = serving.pods("aggregate")[0]
    switch(serving, slow=SLOW)
    with running(Load(serving.url, MODEL, tokens=TOKENS_ASKED)) as load:
        wait("requests in the pod", lambda: bool(serving.scrape(victim, 8000, RUNNING).total(RUNNING)))
        killed_s = time.monotonic()
        real_node.api.delete(f"{PODS.url(victim, namespace=serving.namespace)}?gracePeriodSeconds=0")

        def begun_later() -> int:
            return sum(each.began_s > killed_s + AFTER_S for each in load.asked)

        wait("requests of later", lambda: begun_later() > 2 * load.clients, limit_s=60)
    lost = load.failed()
    with capsys.disabled():
        print(f"\na killed pod: {len(lost)} of {len(load.asked)} requests lost")
    assert all(each.began_s < killed_s + AFTER_S for each in lost), "nothing is sent to a pod that is dead"
    assert all(each.began_s + each.took_s < killed_s + 2 * AFTER_S for each in lost), "each ends in an error soon"
    held = [each for each in load.asked if each.began_s < killed_s < each.began_s + each.took_s]
    assert len(lost) <= len(held) + load.clients, "only what it held, or was sent before anybody knew"


def test_a_rolling_upgrade_and_a_scale_down_lose_no_request(serving, real_node):
    url = DEPLOYMENTS.url(f"{serving.release}-aggregate", namespace=serving.namespace)
    wait("the pod in the place of the killed one", lambda: settled(real_node.api, url), limit_s=60)
    before = set(serving.pods("aggregate"))
    switch(serving, slow=SLOW)
    with running(Load(serving.url, MODEL, tokens=TOKENS_ASKED, pause_s=PAUSE_S)) as load:
        note = {"spec": {"template": {"metadata": {"annotations": {"tests/restarted": "yes"}}}}}
        real_node.api.merge(url, note)
        wait("the rolling upgrade", lambda: settled(real_node.api, url), limit_s=90)
        assert not before & set(serving.pods("aggregate"))
        switch(serving, slow=SLOW)
        real_node.api.merge(url, {"spec": {"replicas": 2}})
        role = f"app.kubernetes.io/component=aggregate,app.kubernetes.io/instance={serving.release}"
        left = f"{PODS.url(namespace=serving.namespace)}?labelSelector={role}"
        wait("the drained pods", lambda: len(real_node.api.items(left)) == 2, limit_s=60)
    switch(serving, slow=1)
    assert len(load.asked) > 20
    assert load.failed() == []


def test_one_is_removed_and_the_other_serves_on(neighbours: Releases, real_node):
    gone, left = neighbours[SMALL], neighbours[LARGE]
    pods = left.pods("aggregate"), left.pods("epp")
    with running(Load(left.url, MODEL, clients=3, tokens=10, pause_s=PAUSE_S)) as load:
        llmdctl("uninstall", gone.release, "-n", gone.namespace, "--yes", kubeconfig=Path(real_node.kubeconfig))
        wait("the pods to go", lambda: not gone.pods("aggregate") and not gone.pods("epp"))
        asked = len(load.asked)
        wait("more answers", lambda: len(load.asked) > asked + 5)
    assert load.failed() == []
    assert (left.pods("aggregate"), left.pods("epp")) == pods
    pools = real_node.api.items(POOLS.url(namespace=left.namespace))
    assert [pool["metadata"]["name"] for pool in pools] == [left.release]


def _rate(serving: Serving, before: tuple[float, float]) -> float:
    hits, queries = _counts(serving)
    return (hits - before[0]) / (queries - before[1])


def _counts(serving: Serving) -> tuple[float, float]:
    return (
        serving.total("aggregate", "vllm:prefix_cache_hits_total"),
        serving.total("aggregate", "vllm:prefix_cache_queries_total"),
    )


@contextlib.contextmanager
def _prometheus(real_node) -> Iterator[Prometheus | None]:
    if not beside():
        yield None
        return
    with real_node.forwarded("monitoring", "prometheus-operated", 9090) as url:
        yield Prometheus(over_http(url))


def _scraped_now(prometheus: Prometheus | None, neighbours: Releases) -> None:
    """Wait until Prometheus has asked every picker since now: what others had sent before is counted then."""
    if prometheus is None:
        return
    namespace, now_s = next(iter(neighbours.values())).namespace, time.time()
    services = {f"{release}-epp" for release in neighbours}

    def asked() -> bool:
        found = prometheus.instant(f'timestamp(up{{namespace="{namespace}"}})')
        return services <= {series.labels.get("service") for series in found if series.value > now_s}

    wait("a scrape of every picker", asked)


def _placed(prometheus: Prometheus | None, neighbours: Releases) -> dict[str, float]:
    """Requests that each release's endpoint picker says it placed."""
    if prometheus is None:
        return {}
    namespace = next(iter(neighbours.values())).namespace
    (name, *_) = epp_names(dialect(), REQUESTS)
    found = prometheus.instant(f'sum by (service) ({name}{{namespace="{namespace}"}})')
    told = {series.labels["service"].removesuffix("-epp"): series.value for series in found}
    return {release: told.get(release, 0.0) for release in neighbours}


def _scraped_once(prometheus: Prometheus, neighbours: Releases) -> None:
    """Every pod by one monitor, that of its own release."""
    namespace = next(iter(neighbours.values())).namespace
    found = prometheus.instant(f'count by (pod, job) ({COUNTED}{{namespace="{namespace}"}})')
    jobs = {series.labels["pod"]: series.labels["job"] for series in found}
    assert max(Counter(series.labels["pod"] for series in found).values()) == 1, found
    assert jobs == {
        pod: f"{namespace}/{release}-aggregate"
        for release, serving in neighbours.items()
        for pod in serving.pods("aggregate")
    }
