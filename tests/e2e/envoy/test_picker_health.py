"""Whom Envoy asks no more, where nothing else may answer (failureMode FailClose): not a picker slow for a moment.

The real endpoint picker, stopped and killed by signals, and the real Envoy.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.envoy.standing import Standing, standing
from tests.e2e.sandbox.objects import wait

pytestmark = [pytest.mark.e2e, pytest.mark.programs]

HERE = "127.0.0.1"
# Envoy asks each second. In two it has asked, and has waited for a second; a third is for its being late.
STILL_S = 3.0
TIMED_OUT = "/active_hc_timeout"  # it was waited for, as long as for one that accepts connections
FAILURES = "cluster.endpoint-picker.health_check.failure"


@pytest.fixture(scope="module")
def release(plane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    folder = tmp_path_factory.mktemp("health")
    with standing(plane, folder, HERE, ("scheduler.failureMode=FailClose",)) as found:
        yield found


def test_one_that_stands_still_for_a_moment_refuses_nobody(release: Standing) -> None:
    before = release.stat(FAILURES)
    release.picker.send_signal(signal.SIGSTOP)
    with ThreadPoolExecutor(16) as clients:
        until = time.monotonic() + STILL_S
        asked = []
        while time.monotonic() < until:
            asked.append(clients.submit(release.complete, HERE))
            time.sleep(STILL_S / 12)
        release.picker.send_signal(signal.SIGCONT)
        assert [each.result(30).status for each in asked] == [200] * len(asked)
    assert release.stat(FAILURES) == before


def test_one_that_answers_nothing_any_more_is_left_and_taken_back(release: Standing) -> None:
    release.picker.send_signal(signal.SIGSTOP)
    wait("Envoy knows", lambda: release.healthy_pickers() == 0)
    assert TIMED_OUT in release.picker_flags()
    wait("a refusal", lambda: _refused(release))
    release.picker.send_signal(signal.SIGCONT)
    wait("an answer", lambda: release.complete(HERE).status == 200)


def test_a_dead_one_is_not_waited_for(release: Standing) -> None:
    """Last: it does not come back. A refused connection is an answer, for which nobody waits."""
    release.picker.kill()
    release.picker.wait()
    wait("Envoy knows", lambda: release.healthy_pickers() == 0)
    assert TIMED_OUT not in release.picker_flags()
    wait("a refusal", lambda: _refused(release))


def _refused(release: Standing) -> bool:
    """At once. Envoy's threads hear of it one after the other, and what one sends before that is not answered."""
    try:
        return release.complete(HERE).status == 500
    except TimeoutError:
        return False
