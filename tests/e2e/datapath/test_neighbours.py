"""Two releases of one recipe and one model in one namespace: neither sees, counts or disturbs the other.

One name begins with the other and ends as a part of it does, the hardest pair for names and patterns.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from llmdctl.prometheus import Prometheus, over_http
from llmdctl.release.verify.names import REQUESTS, epp_names
from llmdctl.sandbox.images import dialect
from tests.e2e.conftest import beside
from tests.e2e.datapath.load import Load, running, stream
from tests.e2e.datapath.serving import Serving, llmdctl
from tests.e2e.sandbox.objects import POOLS, wait

MODEL = "Qwen/Qwen3-32B"
REPLICAS = {"shop": 1, "shop-epp": 2}
ASKED = {"shop": 7, "shop-epp": 3}
COUNTED = "vllm:request_success_total"
# So that what is removed is soon gone.
SHORT = (
    "--set", "scheduler.proxy.drainSeconds=2", "--role", "aggregate.drainSeconds=10",
)  # fmt: skip
METRICS = ("--metrics", "prometheus-operator", "--set", "monitoring.intervalSeconds=1")

Releases = Mapping[str, Serving]


@pytest.fixture(scope="module")
def neighbours(serve_all) -> Iterator[Releases]:
    more = (*SHORT, *(METRICS if beside() else ()))
    words = {release: ("--role", f"aggregate.replicas={number}", *more) for release, number in REPLICAS.items()}
    with serve_all("optimized-baseline", MODEL, words) as found:
        yield found


def test_each_is_proved_with_its_own_endpoints_alone(neighbours: Releases, proved):
    for release, serving in neighbours.items():
        assert f"all {REPLICAS[release]} endpoints" in proved(serving)["LV0302"]["message"]


def test_requests_are_counted_where_they_were_sent(neighbours: Releases, real_node):
    before = {release: serving.total("aggregate", COUNTED) for release, serving in neighbours.items()}
    with _prometheus(real_node) as prometheus:
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


def test_one_is_removed_and_the_other_serves_on(neighbours: Releases, real_node):
    gone, left = neighbours.values()
    pods = left.pods("aggregate"), left.pods("epp")
    with running(Load(left.url, MODEL, clients=3, tokens=10)) as load:
        llmdctl("uninstall", gone.release, "-n", gone.namespace, "--yes", kubeconfig=Path(real_node.kubeconfig))
        wait("the pods to go", lambda: not gone.pods("aggregate") and not gone.pods("epp"))
        asked = len(load.asked)
        wait("more answers", lambda: len(load.asked) > asked + 5)
    assert load.failed() == []
    assert (left.pods("aggregate"), left.pods("epp")) == pods
    pools = real_node.api.items(POOLS.url(namespace=left.namespace))
    assert [pool["metadata"]["name"] for pool in pools] == [left.release]


@contextlib.contextmanager
def _prometheus(real_node) -> Iterator[Prometheus | None]:
    if not beside():
        yield None
        return
    with real_node.forwarded("monitoring", "prometheus-operated", 9090) as url:
        yield Prometheus(over_http(url))


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
