"""Options of engines that name what is known only when the pod starts."""

from __future__ import annotations

from llmdctl.release.verify.stack import Stack
from tests.unit.verify.world import NS, deployment, engine

EVENTS = '--kv-events-config={"enable_kv_cache_events":true,"publisher":"zmq","topic":"kv@$(POD_IP):8000@acme/model"}'


def test_json_with_the_pods_address_is_read_without_it() -> None:
    container = engine(8000, EVENTS)
    address = {"name": "POD_IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}}
    spec = {"containers": [{**container, "env": [address]}]}
    (role,) = Stack(objects=[deployment("pd-decode", "decode", 1, spec)], namespace=NS).roles
    assert role.json_option("--kv-events-config")["publisher"] == "zmq"
    assert role.json_option("--kv-transfer-config")["kv_connector"] == "NixlConnector"
    assert role.json_option("--no-such-option") == {}
