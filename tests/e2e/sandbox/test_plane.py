"""What the session's plane does with nodes, workloads and routes: real scheduler, real LWS controller, our Stages."""

from __future__ import annotations

import re
import subprocess
from contextlib import contextmanager

import psutil
import pytest
import yaml

from llmdctl import assets, sandbox
from llmdctl.errors import ClusterError
from llmdctl.sandbox.furnish import NODES, is_ready, served

from .objects import (
    CLAIMS,
    DEPLOYMENTS,
    GATEWAYS,
    JOBS,
    LWS,
    PODS,
    POOLS,
    ROUTES,
    SCALED,
    SERVICES,
    VOLUMES,
    condition,
    deployment,
    gateway,
    pod_template,
    pool,
    route,
    status,
    wait,
)

pytestmark = pytest.mark.e2e


def pods(plane, namespace):
    return plane.api.items(PODS.url(namespace=namespace))


def test_status_names_everything(plane):
    found = sandbox.status(plane.name)
    assert found.state is sandbox.State.UP
    assert {process.component for process in found.processes} == set(sandbox.COMPONENTS)
    assert all(process.alive for process in found.processes)
    assert found.kubernetes_version == "v1.34.4"
    assert "no model is served" in found.notice
    assert found.definitions.total > 40
    assert "inferenceobjectives.llm-d.ai" in found.definitions.written_from_documentation
    h200 = next(node for node in found.nodes if node.name == "h200-0")
    assert h200.ready
    assert h200.accelerators["nvidia.com/gpu"] == "8"


def test_every_definition_by_which_a_prerequisite_is_recognized_is_loaded(plane):
    versions = yaml.safe_load((assets.paths() / "versions.yaml").read_text())
    named = {
        crd
        for one_set in versions["sets"].values()
        for prerequisite in one_set["prerequisites"].values()
        for crd in prerequisite.get("crds", [])
    }
    assert len(named) > 20
    assert named <= {f"{plural}.{group}" for group, plural in served(plane.api)}


def test_everything_listens_on_loopback_only(plane):
    for process in plane.status.processes:
        for connection in psutil.Process(process.pid).net_connections(kind="inet"):
            if connection.status == psutil.CONN_LISTEN:
                assert connection.laddr.ip == "127.0.0.1", (process.component, connection.laddr)


def test_the_kubeconfig_is_enough_for_any_client(plane):
    done = subprocess.run(
        ["kubectl", "--kubeconfig", str(plane.kubeconfig), "--context", plane.context, "auth", "can-i", "*", "*"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "yes", done.stderr


def test_a_deployment_is_placed_by_capacity_and_ready(plane):
    namespace = plane.namespace()
    plane.api.create(
        DEPLOYMENTS.url(namespace=namespace),
        deployment("web", 2, gpus=8, nodeSelector={"llmdctl.dev/simulated-accelerator": "h100"}),
    )
    wait("both pods", lambda: status(plane.api, DEPLOYMENTS, "web", namespace).get("readyReplicas") == 2)
    found = pods(plane, namespace)
    assert {pod["spec"]["nodeName"] for pod in found} == {"h100-0", "h100-1"}
    assert all(re.fullmatch(r"127\.2\.\d+\.\d+", pod["status"]["podIP"]) for pod in found)
    assert all(len(pod["status"]["podIPs"]) == 1 for pod in found)
    log = plane.api.get(PODS.url(found[0]["metadata"]["name"], namespace=namespace, subresource="log"))
    assert "simulated" in log["text"]


def test_a_pod_that_fits_nowhere_stays_pending(plane):
    namespace = plane.namespace()
    plane.api.create(DEPLOYMENTS.url(namespace=namespace), deployment("huge", 1, gpus=9))
    wait(
        "the scheduler's verdict", lambda: [p for p in pods(plane, namespace) if condition(p["status"], "PodScheduled")]
    )
    [pod] = pods(plane, namespace)
    assert condition(pod["status"], "PodScheduled") == "False:Unschedulable"
    assert pod["status"]["phase"] == "Pending"


def test_sidecars_and_init_containers(plane):
    namespace = plane.namespace()
    inits = [
        {"name": "sidecar", "image": "example.invalid/s:1", "restartPolicy": "Always"},
        {"name": "init", "image": "example.invalid/i:1"},
    ]
    plane.api.create(DEPLOYMENTS.url(namespace=namespace), deployment("web", 1, initContainers=inits))
    wait("the pod", lambda: status(plane.api, DEPLOYMENTS, "web", namespace).get("readyReplicas") == 1)
    [pod] = pods(plane, namespace)
    sidecar, init = pod["status"]["initContainerStatuses"]
    assert sidecar["started"]
    assert "running" in sidecar["state"]
    assert init["state"]["terminated"]["exitCode"] == 0


def test_a_job_runs_to_its_end(plane):
    namespace = plane.namespace()
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once"},
        "spec": {"template": pod_template(restartPolicy="Never")},
    }
    plane.api.create(JOBS.url(namespace=namespace), job)
    wait("the job", lambda: condition(status(plane.api, JOBS, "once", namespace), "Complete").startswith("True"))


def test_a_claim_gets_a_volume_and_both_go_together(plane):
    namespace, api = plane.namespace(), plane.api
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "models"},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "100Gi"}}},
    }
    api.create(CLAIMS.url(namespace=namespace), claim)
    volumes = [{"name": "models", "persistentVolumeClaim": {"claimName": "models"}}]
    api.create(DEPLOYMENTS.url(namespace=namespace), deployment("web", 1, volumes=volumes))
    wait("the pod", lambda: status(api, DEPLOYMENTS, "web", namespace).get("readyReplicas") == 1)
    assert status(api, CLAIMS, "models", namespace)["phase"] == "Bound"
    api.delete(DEPLOYMENTS.url("web", namespace=namespace))
    wait("the pod's end", lambda: pods(plane, namespace) == [])
    api.delete(CLAIMS.url("models", namespace=namespace))
    wait(
        "the volume's end",
        lambda: not [v for v in api.items(VOLUMES.url()) if v["spec"]["claimRef"]["namespace"] == namespace],
    )


def test_a_leader_worker_set_is_available(plane):
    namespace = plane.namespace()
    group = {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": "pair"},
        "spec": {"replicas": 1, "leaderWorkerTemplate": {"size": 2, "workerTemplate": pod_template(gpus=8)}},
    }
    plane.api.create(LWS.url(namespace=namespace), group)
    wait("the group", lambda: condition(status(plane.api, LWS, "pair", namespace), "Available").startswith("True"))
    assert {pod["metadata"]["name"] for pod in pods(plane, namespace)} == {"pair-0", "pair-0-1"}


def test_gateway_route_and_pool_answer_each_other(plane):
    namespace, api = plane.namespace(), plane.api
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "epp"}, "spec": {"ports": [{"port": 9002}]}}
    api.create(GATEWAYS.url(namespace=namespace), gateway("gw"))
    api.create(POOLS.url(namespace=namespace), pool("used", "epp"))
    api.create(POOLS.url(namespace=namespace), pool("lonely", "epp"))
    api.create(ROUTES.url(namespace=namespace), route("to-nothing", "gw", "absent"))
    api.create(ROUTES.url(namespace=namespace), route("to-pool", "gw", "used"))

    def parent(resource, name):
        parents = status(api, resource, name, namespace).get("parents", [])
        return parents[0] if parents else {}

    wait("the gateway", lambda: condition(status(api, GATEWAYS, "gw", namespace), "Programmed") == "True:Programmed")
    wait("the route", lambda: condition(parent(ROUTES, "to-pool"), "ResolvedRefs") == "True:ResolvedRefs")
    wait("the bad route", lambda: condition(parent(ROUTES, "to-nothing"), "ResolvedRefs") == "False:BackendNotFound")
    wait("the pool", lambda: condition(parent(POOLS, "used"), "ResolvedRefs") == "False:InvalidExtensionRef")
    api.create(SERVICES.url(namespace=namespace), service)
    wait("its picker", lambda: condition(parent(POOLS, "used"), "ResolvedRefs") == "True:ResolvedRefs")
    assert parent(POOLS, "used")["parentRef"]["name"] == "gw"
    assert "parents" not in status(api, POOLS, "lonely", namespace)
    api.delete(ROUTES.url("to-pool", namespace=namespace))
    wait("the pool without a route", lambda: parent(POOLS, "used") == {})


def test_a_gateway_of_an_unknown_class_gets_no_answer(plane):
    namespace, api = plane.namespace(), plane.api
    api.create(GATEWAYS.url(namespace=namespace), gateway("known"))
    api.create(GATEWAYS.url(namespace=namespace), gateway("unknown", class_name="nobody"))
    wait("the known one", lambda: condition(status(api, GATEWAYS, "known", namespace), "Accepted") == "True:Accepted")
    assert condition(status(api, GATEWAYS, "unknown", namespace), "Accepted") == "Unknown:Pending"


def test_a_scaled_object_is_ready_and_goes_away(plane):
    namespace, api = plane.namespace(), plane.api
    scaled = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": {"name": "web"}, "triggers": [{"type": "cpu", "metadata": {"value": "50"}}]},
    }
    api.create(SCALED.url(namespace=namespace), scaled)
    wait("KEDA's part", lambda: condition(status(api, SCALED, "web", namespace), "Ready").startswith("True"))
    api.delete(SCALED.url("web", namespace=namespace))
    wait("its end", lambda: api.items(SCALED.url(namespace=namespace)) == [])


@pytest.mark.parametrize(
    ("resource", "item", "complaint"),
    [
        (
            "apis/networking.gke.io/v1/namespaces/default/gcpbackendpolicies",
            {
                "apiVersion": "networking.gke.io/v1",
                "kind": "GCPBackendPolicy",
                "spec": {"targetRef": {"group": "", "kind": "Service", "name": "x"}, "default": {"timeOutSec": 1}},
            },
            "timeOutSec",
        ),
        (
            "apis/llm-d.ai/v1alpha2/namespaces/default/inferenceobjectives",
            {"apiVersion": "llm-d.ai/v1alpha2", "kind": "InferenceObjective", "spec": {"priority": 1}},
            "poolRef",
        ),
        (
            "apis/agentgateway.dev/v1alpha1/namespaces/default/agentgatewaypolicies",
            {
                "apiVersion": "agentgateway.dev/v1alpha1",
                "kind": "AgentgatewayPolicy",
                "spec": {
                    "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "x"}],
                    "frontend": {"http": {"idleTimeout": "1h"}},
                },
            },
            "idleTimeout",
        ),
    ],
)
def test_schemas_written_from_documentation_refuse_mistakes(plane, resource, item, complaint):
    with pytest.raises(ClusterError, match=complaint):
        plane.api.request(
            "POST", f"/{resource}?dryRun=All&fieldValidation=Strict", item | {"metadata": {"name": "mistake"}}
        )


def test_the_audit_log_tells_who_asked_for_what(plane):
    namespace = plane.namespace("audited")
    wait(
        "the audit entry",
        lambda: any(
            entry["verb"] == "create" and entry["objectRef"].get("name") == namespace
            for entry in sandbox.audit_entries(plane.name)
            if "objectRef" in entry
        ),
    )


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(sandbox.FaultKind.CRASH_LOOP, "CrashLoopBackOff"), (sandbox.FaultKind.IMAGE_PULL, "ImagePullBackOff")],
)
def test_a_pod_fault_strikes_present_and_later_pods_until_cleared(plane, kind, reason):
    namespace, api = plane.namespace(), plane.api
    api.create(DEPLOYMENTS.url(namespace=namespace), deployment("web", 1))
    wait("the pod", lambda: status(api, DEPLOYMENTS, "web", namespace).get("readyReplicas") == 1)
    fault = sandbox.fault(
        plane.name, kind, namespace=namespace, labels={"app": "web"}, log=("loading", "out of memory")
    )
    api.merge(DEPLOYMENTS.url("web", namespace=namespace), {"spec": {"replicas": 2}})

    def reasons():
        states = [pod["status"].get("containerStatuses", [{}])[0].get("state", {}) for pod in pods(plane, namespace)]
        return [state.get("waiting", {}).get("reason", "") for state in states]

    wait("both pods struck", lambda: reasons() == [reason, reason])
    assert fault in sandbox.faults(plane.name)
    if kind is sandbox.FaultKind.CRASH_LOOP:
        name = pods(plane, namespace)[0]["metadata"]["name"]
        text = api.get(PODS.url(name, namespace=namespace, subresource="log"))["text"]
        assert text == "loading\nout of memory\n"
    assert sandbox.clear_faults(plane.name, fault.name) == (fault,)
    wait("recovery", lambda: status(api, DEPLOYMENTS, "web", namespace).get("readyReplicas") == 2)


def test_a_node_fault_makes_its_pods_unready_until_cleared(plane):
    namespace, api = plane.namespace(), plane.api
    on_node = deployment("web", 1, nodeSelector={"kubernetes.io/hostname": "cpu-3"})
    api.create(DEPLOYMENTS.url(namespace=namespace), on_node)
    wait("the pod", lambda: status(api, DEPLOYMENTS, "web", namespace).get("readyReplicas") == 1)
    with failing_on(plane, "cpu-3"):  # it stays unready, whatever becomes of its node
        _lose_node_and_find_it_again(plane, namespace)


@contextmanager
def failing_on(plane, node):
    """A pod on the node whose image cannot be pulled."""
    namespace = plane.namespace()
    fault = sandbox.fault(plane.name, sandbox.FaultKind.IMAGE_PULL, namespace=namespace)
    failing = deployment("failing", 1, nodeSelector={"kubernetes.io/hostname": node})
    plane.api.create(DEPLOYMENTS.url(namespace=namespace), failing)
    wait("a failing pod", lambda: any(pod["status"].get("containerStatuses") for pod in pods(plane, namespace)))
    yield
    sandbox.clear_faults(plane.name, fault.name)
    plane.free(namespace)


def _lose_node_and_find_it_again(plane, namespace):
    api = plane.api
    fault = sandbox.fault(plane.name, sandbox.FaultKind.NODE_NOT_READY, node="cpu-3")
    assert not is_ready(api.get(NODES.url("cpu-3")))
    wait("the pod unready", lambda: status(api, DEPLOYMENTS, "web", namespace).get("readyReplicas", 0) == 0)
    sandbox.clear_faults(plane.name, fault.name)
    assert is_ready(api.get(NODES.url("cpu-3")))
    wait("recovery", lambda: status(api, DEPLOYMENTS, "web", namespace).get("readyReplicas") == 1)
