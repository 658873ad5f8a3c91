"""What clients notice when the endpoint picker stops: measured with one replica and with two, and printed.

In standalone mode Envoy stands in the picker's pod, and a pod without a ready picker is taken out of the Service. So
failing open bridges what nobody has noticed yet, and a second replica everything else. The pickers are given a
certificate; one that makes its own is back up to seven seconds later.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import psutil
import pytest

from tests.e2e.datapath.crowd import switch
from tests.e2e.datapath.load import Load, running
from tests.e2e.datapath.serving import Serving, settled
from tests.e2e.doctor.healthy import assert_healthy
from tests.e2e.doctor.seeding import Patient, told
from tests.e2e.sandbox.objects import DEPLOYMENTS, PODS, wait

MODEL = "Qwen/Qwen3-32B"
FORMS = {
    "all": ("--set", "scheduler.replicas=2", "--set", "scheduler.leaderElection=false"),
    "elected": ("--set", "scheduler.replicas=2"),
}
DRAIN_S = 10  # of a stopping pod, in place of 60: on a busy machine three were too few for all to hear of it
# How long a leader that died keeps its lease: https://pkg.go.dev/sigs.k8s.io/controller-runtime/pkg/manager#Options
LEASE_S = 15.0
# A request is under way for a seventh of a second: few tokens, for each costs every hop its work, of slow engines.
TOKENS, SLOW = 5, 20.0
_CALM = 24  # answers in a row, about a second's
NOBODY = "503: no healthy upstream"
PROXY_STATS = 19001
NOTICED_S = 5.0  # by then nobody sends anything to what has stopped


@dataclass(frozen=True)
class Measured:
    """`silent_s`: the longest time without a good answer; `again_s`: the end of the first that began afterwards."""

    asked: int
    lost: int
    held: int  # requests in flight when it happened
    silent_s: float
    again_s: float
    last_lost_s: float  # when the last lost request began; all times count from what happened
    why: Mapping[str, int]  # what lost requests ended with

    def __str__(self) -> str:
        return (
            f"{self.lost} of {self.asked} requests lost ({self.held} in flight), "
            f"{self.silent_s:.1f} s without an answer, first good answer after {self.again_s:.1f} s"
            + "".join(f"\n  {number} x {error}" for error, number in self.why.items())
        )


@pytest.fixture(scope="module")
def forms(serve_all) -> Iterator[dict[str, Serving]]:
    """A release for each form of two replicas."""
    more = ("--role", "aggregate.replicas=1", "--set", f"scheduler.proxy.drainSeconds={DRAIN_S}")
    with serve_all("optimized-baseline", MODEL, {form: (*words, *more) for form, words in FORMS.items()}) as found:
        for serving in found.values():
            switch(serving, slow=SLOW)
        yield found


@pytest.fixture(scope="module")
def elected(forms, real_node) -> Iterator[Future[Measured]]:
    """Measured beside the other form: it is the waiting for a lease, which costs nothing."""
    serving = forms["elected"]
    assert_healthy(serving.cluster, serving.namespace, serving.release)
    kill, over = _crash(serving, real_node)
    patient = Patient(
        api=real_node.api, cluster=serving.cluster, namespace=serving.namespace, release=serving.release
    )  # fmt: skip

    def killed() -> None:
        """And doctor says so while nobody leads: until the lease is over."""
        kill()
        # The kubelet may tell of the new container before it tells how the old one ended.
        chain = patient.until("epp", "none of 2 replicas is elected yet: the picker in", limit_s=LEASE_S)
        assert chain.broken is not None
        assert "(exit code 137)" in chain.broken.saw, told(chain)
        assert any("held by" in entry.observed for entry in chain.broken.evidence), told(chain)

    with ThreadPoolExecutor() as beside:
        yield beside.submit(lambda: _measured(serving, killed, over))


@pytest.mark.usefixtures("elected")
def test_two_that_both_serve(forms, real_node, capsys):
    serving = forms["all"]
    crash = _measured(serving, *_crash(serving, real_node))
    rolled = _measured(serving, *_roll(serving, real_node))
    _print(capsys, "two replicas that both serve", crash, rolled)
    assert NOBODY not in crash.why, "there is always an engine to fall back to"
    assert crash.last_lost_s < NOTICED_S, "lost is what ran through it, or was sent before anybody knew"
    assert crash.silent_s < NOTICED_S, "the other one serves meanwhile"
    assert rolled.lost == 0, "each has time to drain, and the other serves meanwhile"


def test_one(forms, real_node, capsys):
    serving = forms["all"]
    url = DEPLOYMENTS.url(f"{serving.release}-epp", namespace=serving.namespace)
    real_node.api.merge(url, {"spec": {"replicas": 1}})
    wait("one picker", lambda: len(serving.pods("epp")) == 1)
    crash = _measured(serving, *_crash(serving, real_node))
    rolled = _measured(serving, *_roll(serving, real_node))
    _print(capsys, "one replica", crash, rolled)
    assert NOBODY not in crash.why, "there is always an engine to fall back to"
    assert rolled.lost == 0, "the new one is ready before the old one drains"


def test_two_of_which_one_is_elected(elected, forms, capsys):
    crash = elected.result(timeout=90)
    _print(capsys, "two replicas, one elected", crash)
    assert NOBODY not in crash.why, "there is always an engine to fall back to"
    assert crash.silent_s < 2 * LEASE_S, "the other one takes over"
    serving = forms["elected"]
    assert_healthy(serving.cluster, serving.namespace, serving.release)  # the killed one waits, and is no fault


def _print(capsys: Any, form: str, crash: Measured, rolled: Measured | None = None) -> None:
    with capsys.disabled():
        print(f"\n{form}, a picker is killed: {crash}")
        if rolled is not None:
            print(f"{form}, all are replaced: {rolled}")


Happening = tuple[Callable[[], None], Callable[[], bool]]  # what happens, and whether it is over


def _crash(serving: Serving, real_node) -> Happening:
    """The picker's process is killed in a pod that serves; kubelet starts it again."""
    pod = serving.pods("epp")[0]
    url = PODS.url(pod, namespace=serving.namespace)

    def status() -> dict[str, Any]:
        rows = real_node.api.get(url)["status"]["containerStatuses"]
        return next(row for row in rows if row["name"] == "epp")

    restarts = status()["restartCount"]
    return (
        lambda: os.kill(_process(pod), signal.SIGKILL),
        lambda: status()["restartCount"] > restarts and bool(serving.pods("epp")),
    )


def _process(pod: str) -> int:
    """The picker of a pod, as this machine sees it."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name() == "epp" and process.environ().get("HOSTNAME") == pod:
                return int(process.pid)
    raise AssertionError(f"no endpoint picker runs in {pod}")


def _roll(serving: Serving, real_node) -> Happening:
    """As an upgrade with another configuration does."""
    url = DEPLOYMENTS.url(f"{serving.release}-epp", namespace=serving.namespace)
    note = {"spec": {"template": {"metadata": {"annotations": {"tests/restarted": str(time.time())}}}}}
    return lambda: real_node.api.merge(url, note), lambda: settled(real_node.api, url)


def _is_calm(load: Load) -> bool:
    """Whether what happened before has passed: a picker that was killed may lose a request as it comes back."""
    last = load.asked[-_CALM:]
    return len(last) == _CALM and not any(each.error for each in last)


def _bridged(serving: Serving) -> bool:
    """Whether every proxy knows engines for what no picker has placed: they are looked up once a second."""
    name = "envoy_cluster_membership_total"
    told = [serving.scrape(pod, PROXY_STATS, name, path="/stats/prometheus") for pod in serving.pods("epp")]
    return all(each.total(name, envoy_cluster_name="fallback") for each in told)


def _measured(serving: Serving, happen: Callable[[], object], over: Callable[[], bool]) -> Measured:
    wait("proxies that know where to fall back to", lambda: _bridged(serving))
    with running(Load(serving.url, MODEL, clients=4, tokens=TOKENS, pause_s=0.1)) as load:
        wait("nothing lost any more", lambda: _is_calm(load))
        at_s = time.monotonic()
        happen()
        wait("what happened to be over", over, limit_s=60)
        over_s = time.monotonic()
        wait("answers again", lambda: sum(not each.error and each.began_s > over_s for each in load.asked) > 2)
    lost = [each for each in load.failed() if each.began_s + each.took_s > at_s]
    ends = [at_s, *sorted(end for each in load.asked if not each.error and (end := each.began_s + each.took_s) > at_s)]
    return Measured(
        asked=len(load.asked),
        lost=len(lost),
        held=sum(each.began_s < at_s < each.began_s + each.took_s for each in load.asked),
        silent_s=max(later - sooner for sooner, later in pairwise(ends)),
        again_s=min(each.began_s + each.took_s for each in load.asked if not each.error and each.began_s > at_s) - at_s,
        last_lost_s=max((each.began_s - at_s for each in lost), default=0.0),
        why=Counter(each.error for each in lost),
    )
