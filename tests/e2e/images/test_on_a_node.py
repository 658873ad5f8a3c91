"""On a real node the images are there, and what is in them starts as the charts start it: by any user, read-only."""

from __future__ import annotations

from typing import Any

import pytest

from llmdctl.kube import connect
from llmdctl.sandbox import images
from tests.e2e.sandbox.objects import ACCOUNTS, CONFIG_MAPS, NODES, PODS, wait

pytestmark = pytest.mark.e2e

LIMIT_S = 90.0
NOBODY = {
    "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True,
    "runAsNonRoot": True, "runAsUser": 54321, "runAsGroup": 54321,
}  # fmt: skip
ROOT = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}  # as engine images run
ADMIN = """admin: {address: {socket_address: {address: 0.0.0.0, port_value: 19001}}}
static_resources: {}
"""
# name: (image, security, command and arguments, port and path that answer)
SERVERS: dict[str, tuple[str, dict[str, Any], dict[str, Any], tuple[int, str]]] = {
    "vllm": ("engine", NOBODY, {"command": ["vllm", "serve"], "args": ["m", "--port=8000"]}, (8000, "/health")),
    "group": (
        "engine",
        ROOT,
        {"command": ["/bin/sh", "-c", 'exec "$@" --port="$((LAST + 1))"', "x"], "args": ["vllm", "serve", "m"]}
        | {"env": [{"name": "LAST", "value": "8000"}]},
        (8001, "/health"),
    ),
    "sglang": (
        "engine",
        ROOT,
        {"command": ["python3", "-m", "sglang.launch_server"]}
        | {"args": ["--model-path=m", "--host=0.0.0.0", "--port=8002"]},
        (8002, "/health"),
    ),
    "envoy": ("envoy", NOBODY, {"command": ["envoy"], "args": ["-c", "/etc/envoy/envoy.yaml"]}, (19001, "/ready")),
}
# Programs without a cluster or a model to serve: that they start, and know their options, is what there is to see.
ENDING = {"epp": "--pool-name", "sidecar": "kv-connector"}


@pytest.fixture(scope="module")
def namespace(real_node):
    name = real_node.namespace("images")
    wait("the namespace's account", lambda: real_node.api.items(ACCOUNTS.url(namespace=name)))
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "envoy"}, "data": {"envoy.yaml": ADMIN}}
    real_node.api.create(CONFIG_MAPS.url(namespace=name), item)
    for server in SERVERS:
        real_node.api.create(PODS.url(namespace=name), pod(server, serving(server)))
    for program in ENDING:
        container = {"image": images.reference(program), "args": ["--help"], "securityContext": NOBODY}
        real_node.api.create(PODS.url(namespace=name), pod(program, container))
    yield name
    real_node.free(name)


def serving(name: str) -> dict[str, Any]:
    image, security, start, (port, path) = SERVERS[name]
    return start | {
        "image": images.reference(image),
        "securityContext": security,
        "env": [*start.get("env", ()), {"name": "HOME", "value": "/home/llmd"}],
        "readinessProbe": {"httpGet": {"path": path, "port": port}, "periodSeconds": 1},
        "volumeMounts": [
            {"name": "home", "mountPath": "/home/llmd"},
            {"name": "envoy", "mountPath": "/etc/envoy"},
        ],
    }


def pod(name: str, container: dict[str, Any]) -> dict[str, Any]:
    volumes = [{"name": "home", "emptyDir": {}}, {"name": "envoy", "configMap": {"name": "envoy"}}]
    spec = {"containers": [{"name": "main", **container}], "volumes": volumes, "restartPolicy": "Never"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec | {"enableServiceLinks": False}}


def status(node, namespace: str, name: str) -> dict[str, Any]:
    return dict(node.api.get(PODS.url(name, namespace=namespace)).get("status", {}))


def is_ready(found: dict[str, Any]) -> bool:
    assert found.get("phase") not in {"Failed", "Succeeded"}, found
    return any(one["type"] == "Ready" and one["status"] == "True" for one in found.get("conditions", ()))


def test_the_node_has_all_images_before_any_pod_asks(real_node):
    node = next(iter(real_node.api.items(NODES.url())))
    names = {name for image in node["status"]["images"] for name in image["names"]}
    assert set(images.references().values()) <= names


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_answers(real_node, namespace, name):
    wait(f"pod {name} ready", lambda: is_ready(status(real_node, namespace, name)), limit_s=LIMIT_S)
    port, path = SERVERS[name][3]
    cluster = connect(kubeconfig=real_node.kubeconfig)
    assert cluster.pods.request(namespace, name, port, "GET", path).status == 200


@pytest.mark.parametrize("name", ENDING)
def test_a_program_starts(real_node, namespace, name):
    ended = {"Failed", "Succeeded"}
    wait(f"pod {name} ended", lambda: status(real_node, namespace, name).get("phase") in ended, limit_s=LIMIT_S)
    said = connect(kubeconfig=real_node.kubeconfig).logs(namespace, name, "main", lines=200)
    assert ENDING[name] in "\n".join(said)
