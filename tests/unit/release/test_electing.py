"""Which Deployments elect: told by the picker's flag, however it is written; never by how an update goes."""

from __future__ import annotations

from typing import Any

import pytest

from llmdctl.release.electing import elects

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


def test_what_has_no_pods_elects_nobody() -> None:
    assert not elects({"kind": "Service", "spec": {}})
    assert not elects({})
