from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from llmdctl.sandbox import components
from llmdctl.sandbox.components import COMPONENTS, USERS, Ports, arguments
from llmdctl.sandbox.home import Home

HOME = Home(name="x", path=Path("/state/x"))
PORTS = Ports(
    api_server=1, etcd=2, etcd_peer=3, controller_manager=4, scheduler=5, kwok=6, lws_webhook=7, lws_health=8,
    prometheus=9, names=10, keda_health=11, keda_metrics=12, keda_service=13, keda_adapter=14, etcd_http=15,
)  # fmt: skip


def text(component):
    return " ".join(arguments(component, home=HOME, ports=PORTS))


@pytest.mark.parametrize("component", COMPONENTS)
def test_no_component_listens_elsewhere(component):
    assert "0.0.0.0" not in text(component)
    for flag in ("--bind-address=", "--advertise-address="):
        assert text(component).count(flag) == text(component).count(flag + "127.0.0.1")


def test_beside_a_real_node_pods_reach_the_api_server_at_its_address():
    words = arguments(components.API_SERVER, home=HOME, ports=PORTS, node_address="172.31.255.1")
    assert "--advertise-address=172.31.255.1" in words
    assert not any(word.startswith("--endpoint-reconciler-type") for word in words)


def test_a_simulated_node_is_not_lost_between_two_renewals_of_its_lease():
    flags = dict(word.removeprefix("--").split("=", 1) for word in arguments(components.KWOK, home=HOME, ports=PORTS))
    lease_s = int(flags["node-lease-duration-seconds"])
    [patience] = re.findall(r"--node-monitor-grace-period=(\d+)s", text(components.CONTROLLER_MANAGER))
    assert int(patience) > lease_s


def test_a_real_node_is_found_lost_as_in_any_cluster():
    words = arguments(components.CONTROLLER_MANAGER, home=HOME, ports=PORTS, node_address="172.31.255.1")
    assert not any(word.startswith("--node-monitor-grace-period") for word in words)
    assert "--node-lease-duration-seconds=40" in arguments(
        components.KWOK, home=HOME, ports=PORTS, node_address="172.31.255.1"
    )


def test_kinds_of_definitions_are_not_cached():
    words = arguments(components.API_SERVER, home=HOME, ports=PORTS, definitions=["a.x", "b.y"])
    assert "--watch-cache-sizes=a.x#0,b.y#0" in words


def test_the_controller_of_groups_listens_on_loopback_only():
    configuration = json.loads(components.lws_configuration(HOME, PORTS))
    assert configuration["webhook"]["host"] == "127.0.0.1"
    assert configuration["health"]["healthProbeBindAddress"] == "127.0.0.1:8"
    assert configuration["metrics"]["bindAddress"] == "0"


def test_every_state_file_lies_in_the_folder():
    for component in COMPONENTS:
        for word in text(component).split():
            path = word.partition("=")[2]
            assert not path.startswith("/") or path.startswith("/state/x"), word


def test_authorization_is_that_of_a_real_cluster():
    assert "--authorization-mode=Node,RBAC" in text(components.API_SERVER)


def test_the_control_plane_is_left_out_of_the_audit_log():
    rules = json.loads(components.audit_policy())["rules"]
    assert {user for user, _ in USERS.values()} <= set(rules[0]["users"])
    assert rules[-1] == {"level": "Metadata"}


@pytest.mark.parametrize(("asked", "heap_growth"), [(None, "200"), ("50", "50")])
def test_how_the_api_server_uses_memory_can_be_said_from_outside(monkeypatch, asked, heap_growth):
    monkeypatch.delenv("GOGC", raising=False)
    if asked:
        monkeypatch.setenv("GOGC", asked)
    assert components.environment(components.API_SERVER) == {"GOGC": heap_growth}
