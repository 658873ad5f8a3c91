"""Which Deployments elect: told by the picker's flag, however it is written; never by how an update goes."""

from __future__ import annotations

from typing import Any

import pytest

from llmdctl.release.electing import awaiting_election, elects

FLAG = "--ha-enable-leader-election"
FORMS: dict[str, tuple[dict[str, Any], bool]] = {
    "alone": ({"args": ["--pool-name=a", FLAG]}, True),
    "with a value": ({"args": [f"{FLAG}=true"]}, True),
    "off": ({"args": [f"{FLAG}=false"]}, False),
    "off as Go has it": ({"args": [f"{FLAG}=F"]}, False),
    "in the command": ({"command": ["/app/epp", FLAG]}, True),
    "in a script": ({"command": ["sh", "-c", f"exec /app/epp --pool-name a {FLAG} --v 2"]}, True),
    "another flag": ({"args": [f"{FLAG}-please"]}, False),
    "no words": ({}, False),
}


@pytest.mark.parametrize(("container", "elected"), FORMS.values(), ids=list(FORMS))
def test_the_flag_tells(container: dict[str, Any], elected: bool) -> None:
    pod = {"containers": [{"name": "proxy", "args": ["-c", "x"]}, {"name": "epp", **container}]}
    assert elects({"spec": {"replicas": 2, "template": {"spec": pod}}}) is elected


def test_engines_that_are_replaced_all_at_once_are_not_elected() -> None:
    update = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "100%"}}
    pod = {"containers": [{"name": "engine", "args": ["--port=8000"]}]}
    assert not elects({"spec": {"replicas": 2, "strategy": update, "template": {"spec": pod}}})


RUNS = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
ENDED = {"terminated": {"exitCode": 1}}


def _replica(*rows: dict[str, Any], flag: str = FLAG) -> dict[str, Any]:
    containers = [{"name": "proxy", "args": ["-c", "x"]}, {"name": "epp", "args": [flag]}]
    return {"spec": {"containers": containers}, "status": {"containerStatuses": list(rows)}}


PROXY = {"name": "proxy", "ready": True, "state": RUNS}
REPLICAS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "a follower": (_replica(PROXY, {"name": "epp", "ready": False, "state": RUNS}), ("epp",)),
    "the leader": (_replica(PROXY, {"name": "epp", "ready": True, "state": RUNS}), ()),
    "one that does not run": (_replica(PROXY, {"name": "epp", "ready": False, "state": ENDED}), ()),
    "one that elects nobody": (_replica({"name": "epp", "ready": False, "state": RUNS}, flag="--v=2"), ()),
    "another container": (_replica({"name": "proxy", "ready": False, "state": RUNS}), ()),
    "one that is not placed": ({"spec": {"containers": [{"name": "epp", "args": [FLAG]}]}, "status": {}}, ()),
}


@pytest.mark.parametrize(("pod", "names"), REPLICAS.values(), ids=list(REPLICAS))
def test_who_waits_to_be_elected(pod: dict[str, Any], names: tuple[str, ...]) -> None:
    assert awaiting_election(pod) == names


def test_what_has_no_pods_elects_nobody() -> None:
    assert not elects({"kind": "Service", "spec": {}})
    assert not elects({})
