"""Pods on the real node: kubelet, containerd, kube-proxy and CoreDNS do what they do on any cluster."""

from __future__ import annotations

import json
import urllib.request

import pytest
from kubernetes import client, config
from kubernetes.stream import stream

from llmdctl.errors import UsageError
from llmdctl.kube import connect
from llmdctl.sandbox import images
from tests.e2e.sandbox.objects import CLAIMS, LWS, PODS, SERVICES, wait

pytestmark = pytest.mark.e2e

LIMIT_S = 60.0
RESTRICTED = {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def image():
    return images.references()["engine"]


def container(name="main", **spec):
    """A web server of the folder /data, restricted as every chart of ours has it."""
    return {
        "name": name,
        "image": image(),
        "command": ["python3", "-m", "http.server", "8000", "--directory", "/data"],
        "ports": [{"containerPort": 8000, "name": "http"}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
        "securityContext": RESTRICTED,
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "shm", "mountPath": "/dev/shm"}],
        **spec,
    }


def pod_spec(*containers, **spec):
    return {
        "terminationGracePeriodSeconds": 1,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "fsGroup": 2000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": list(containers),
        "volumes": [
            {"name": "data", "emptyDir": {"sizeLimit": "50Gi"}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "64Gi"}},
        ],
        **spec,
    }


def make(node, namespace, name, spec):
    item = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}
    node.api.create(PODS.url(namespace=namespace), item)


def is_ready(node, namespace, name):
    found = node.api.get(PODS.url(name, namespace=namespace))
    return any(one["type"] == "Ready" and one["status"] == "True" for one in found["status"].get("conditions", []))


def run(node, namespace, pod, code, *, container="main"):
    """Python in a container, by pods/exec; what it prints."""
    with config.new_client_from_config(str(node.kubeconfig)) as opened:
        answer = stream(
            client.CoreV1Api(opened).connect_get_namespaced_pod_exec, pod, namespace,
            command=["python3", "-c", code], container=container,
            stdout=True, stderr=True, stdin=False, tty=False, _preload_content=False,
        )  # fmt: skip
        answer.run_forever(timeout=LIMIT_S)
        said = answer.read_all()
        answer.sock.shutdown()  # close() leaves the socket open when the other side has ended first
    return str(said).strip()


@pytest.fixture(scope="module")
def served(real_node):
    """A pod as large as a prefill replica, with a sidecar, behind a service."""
    namespace = real_node.namespace("node")
    sidecar = container(
        "sidecar",
        restartPolicy="Always",
        command=["python3", "-c", "import time; open('/data/begun', 'w').close(); time.sleep(10000)"],
        ports=[],
        startupProbe={"exec": {"command": ["sh", "-c", "test -f /data/begun"]}, "periodSeconds": 1},
    )
    del sidecar["readinessProbe"]
    large = {"cpu": "16", "memory": "96Gi", "nvidia.com/gpu": "8"}
    main = container(resources={"requests": {**large, "ephemeral-storage": "100Gi"}, "limits": large})
    make(real_node, namespace, "web", pod_spec(main, initContainers=[sidecar]))
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "front"},  # not as its pod, whose own name it knows from /etc/hosts
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]},
    }
    real_node.api.create(SERVICES.url(namespace=namespace), service)
    wait("the pod becoming ready", lambda: is_ready(real_node, namespace, "web"), limit_s=LIMIT_S)
    yield namespace
    real_node.empty(namespace)


def test_a_pod_larger_than_the_machine_starts_with_its_sidecar_and_volumes(real_node, served):
    said = run(
        real_node, served, "web",
        "import os; print(os.getuid(), os.path.exists('/data/begun'), os.statvfs('/dev/shm').f_blocks * "
        "os.statvfs('/dev/shm').f_frsize // 2**30)",
    )  # fmt: skip
    assert said == "1000 True 64"
    assert "Read-only file system" in run(real_node, served, "web", "open('/x', 'w')")


def test_names_and_addresses_of_services_work_from_within(real_node, served):
    address = real_node.api.get(SERVICES.url("front", namespace=served))["spec"]["clusterIP"]
    resolve = f"import socket; print(socket.gethostbyname('front.{served}.svc.cluster.local'))"
    assert run(real_node, served, "web", resolve) == address
    assert "Name or service not known" in run(real_node, served, "web", resolve.replace("front.", "nobody."))
    fetch = "import urllib.request; print(urllib.request.urlopen('http://front/begun', timeout=5).status)"
    wait("the service answering its own pod", lambda: run(real_node, served, "web", fetch) == "200")


def test_the_api_server_is_reached_from_within(real_node, served):
    code = (
        "import ssl, urllib.request; account='/var/run/secrets/kubernetes.io/serviceaccount/'; "
        "c = ssl.create_default_context(cafile=account + 'ca.crt'); "
        "r = urllib.request.Request('https://kubernetes.default.svc/version', "
        "headers={'Authorization': 'Bearer ' + open(account + 'token').read()}); "
        "print(urllib.request.urlopen(r, context=c, timeout=5).status)"
    )
    assert run(real_node, served, "web", code) == "200"


def test_logs_and_ports_of_a_pod_are_reached_from_the_host(real_node, served):
    url = PODS.url("web", namespace=served, subresource="log")
    wait("the log", lambda: "GET / HTTP" in real_node.api.get(f"{url}?container=main")["text"])
    cluster = connect(kubeconfig=real_node.kubeconfig)
    assert cluster.pods.request(served, "web", 8000, "GET", "/begun", timeout_s=10).status == 200


def test_a_service_is_forwarded_to_the_host(real_node, served):
    with (
        real_node.forwarded(served, "front") as address,
        urllib.request.urlopen(f"{address}/begun", timeout=5) as answer,
    ):
        assert answer.status == 200
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address, timeout=5)


@pytest.mark.parametrize(
    ("service", "port", "complaint"),
    [("front", 81, "has no TCP port 81"), ("nobody", None, "there is no service 'nobody'")],
)
def test_what_cannot_be_forwarded_is_named(real_node, served, service, port, complaint):
    with pytest.raises(UsageError, match=complaint), real_node.forwarded(served, service, port):
        pass


def test_devices_are_counted_by_the_scheduler(real_node, served):
    gpus = {"limits": {"nvidia.com/gpu": "33"}}  # `web` has 8 of the 40
    make(real_node, served, "toomany", pod_spec(container(resources=gpus)))

    def refused():
        conditions = real_node.api.get(PODS.url("toomany", namespace=served))["status"].get("conditions", [])
        return any("Insufficient nvidia.com/gpu" in one.get("message", "") for one in conditions)

    wait("the scheduler's refusal", refused)
    real_node.api.delete(PODS.url("toomany", namespace=served))


def test_a_probe_that_fails_restarts_its_container(real_node, served):
    probe = {"httpGet": {"path": "/never", "port": "http"}, "periodSeconds": 1, "failureThreshold": 1}
    make(real_node, served, "sick", pod_spec(container(livenessProbe=probe)))

    def restarted():
        statuses = real_node.api.get(PODS.url("sick", namespace=served))["status"].get("containerStatuses", [])
        return any(one["restartCount"] > 0 for one in statuses)

    wait("the restart", restarted, limit_s=LIMIT_S)
    real_node.api.delete(PODS.url("sick", namespace=served))


def test_a_container_over_its_memory_is_killed(real_node, served):
    greedy = container(
        command=["python3", "-c", "x = bytearray(200 * 2**20)"], resources={"limits": {"memory": "64Mi"}}
    )
    make(real_node, served, "greedy", pod_spec(greedy, restartPolicy="Never"))

    def killed():
        statuses = real_node.api.get(PODS.url("greedy", namespace=served))["status"].get("containerStatuses", [])
        return any(one["state"].get("terminated", {}).get("exitCode") == 137 for one in statuses)

    wait("the kill", killed, limit_s=LIMIT_S)


def test_a_claimed_volume_lies_in_the_sandbox(real_node, served):
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "kept"},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Ti"}}},
    }
    real_node.api.create(CLAIMS.url(namespace=served), claim)
    command = ["python3", "-c", "open('/data/kept', 'w').write('text')"]
    writer = container(command=command, securityContext={"runAsUser": 0, "runAsNonRoot": False})
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "kept"}}, {"name": "shm", "emptyDir": {}}]
    make(real_node, served, "writer", pod_spec(writer, restartPolicy="Never", volumes=volumes))

    def succeeded():
        return real_node.api.get(PODS.url("writer", namespace=served))["status"]["phase"] == "Succeeded"

    wait("the writer's end", succeeded, limit_s=LIMIT_S)
    assert [file.read_text() for file in real_node.status.home.glob("node/kubelet/claims/*/kept")] == ["text"]


def test_a_group_of_pods_runs(real_node, served):
    template = {"spec": pod_spec(container())}
    group = {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": "group"},
        "spec": {"replicas": 1, "leaderWorkerTemplate": {"size": 2, "workerTemplate": template}},
    }
    real_node.api.create(LWS.url(namespace=served), group)
    wait(
        "both pods of the group",
        lambda: real_node.api.get(LWS.url("group", namespace=served)).get("status", {}).get("readyReplicas") == 1,
        limit_s=LIMIT_S,
    )
    leader = "import os; print(os.environ['LWS_LEADER_ADDRESS'])"
    address = run(real_node, served, "group-0-1", leader)
    assert address == f"group-0.group.{served}"
    found = run(real_node, served, "group-0-1", f"import socket; print(socket.gethostbyname('{address}'))")
    assert found == real_node.api.get(PODS.url("group-0", namespace=served))["status"]["podIP"]


def test_the_values_name_the_images_that_are_there(real_node):
    node = real_node.api.get("/api/v1/nodes/h200-real")
    names = {name for one in node["status"]["images"] for name in one["names"]}
    assert set(images.references().values()) <= names, json.dumps(sorted(names))
    assert "registry: sandbox.llmdctl.dev" in real_node.values.read_text()
