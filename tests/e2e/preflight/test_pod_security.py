"""What we say of a pod in a namespace with a Pod Security level, and what the real API server says of it.

The pods are those of every shipped path and a set that trips each control alone; the server answers a dry run of each.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

import pytest

from llmdctl.errors import ClusterError
from llmdctl.preflight.pod_security import Level, violations
from llmdctl.preflight.workload import templates
from tests.e2e.conftest import Plane
from tests.e2e.sandbox.objects import ACCOUNTS, NAMESPACES, PODS
from tests.unit.preflight.cases import catalog, rendered

pytestmark = pytest.mark.e2e

ACCOUNT = "pods"
PINNED = ("latest", "v1.25", "v1.33")
SAFE = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}
SAFE_POD = {"seccompProfile": {"type": "RuntimeDefault"}}


def container(name: str = "c", **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": "registry.k8s.io/pause:3.10", "securityContext": copy.deepcopy(SAFE), **fields}


def pod(context: Mapping[str, Any] = SAFE_POD, **fields: Any) -> dict[str, Any]:
    spec = {"containers": [container()], "securityContext": copy.deepcopy(dict(context)), **fields}
    return {"annotations": {}, "spec": spec}


def secured(**context: Any) -> dict[str, Any]:
    """A pod whose one container has a security context that differs from a safe one."""
    return pod(containers=[container(securityContext=SAFE | context)])


def annotated(annotations: dict[str, str], **fields: Any) -> dict[str, Any]:
    return pod(**fields) | {"annotations": annotations}


def probing(**fields: Any) -> dict[str, Any]:
    return pod(containers=[container(**fields)])


WRITTEN: dict[str, dict[str, Any]] = {
    "safe": pod(),
    "nothing-stated": pod({}, containers=[{"name": "c", "image": "registry.k8s.io/pause:3.10"}]),
    "privileged": secured(privileged=True, allowPrivilegeEscalation=True),
    "ipc-lock": secured(capabilities={"add": ["IPC_LOCK"], "drop": ["ALL"]}),
    "chown": secured(capabilities={"add": ["CHOWN"], "drop": ["ALL"]}),
    "bind": secured(capabilities={"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}),
    "drops-some": secured(capabilities={"drop": ["NET_RAW"]}),
    "escalates": secured(allowPrivilegeEscalation=True),
    "root": secured(runAsUser=0, runAsNonRoot=None),
    "root-pod": pod({**SAFE_POD, "runAsUser": 0, "runAsNonRoot": True}),
    "may-be-root": secured(runAsNonRoot=False),
    "pod-not-root": pod(
        {**SAFE_POD, "runAsNonRoot": True},
        containers=[container(securityContext={"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}})],
    ),
    "unconfined": secured(seccompProfile={"type": "Unconfined"}),
    "unconfined-pod": pod({"seccompProfile": {"type": "Unconfined"}}),
    "own-profile": pod({}, containers=[container(securityContext=SAFE | SAFE_POD)]),
    "localhost-profile": pod({"seccompProfile": {"type": "Localhost", "localhostProfile": "p.json"}}),
    "no-profile": pod({}),
    "host-network": pod(hostNetwork=True),
    "host-network-port": pod(hostNetwork=True, containers=[container(ports=[{"containerPort": 8000}])]),
    "host-ipc": pod(hostIPC=True),
    "host-pid": pod(hostPID=True),
    "host-port": pod(containers=[container(ports=[{"containerPort": 8000, "hostPort": 8000}])]),
    "host-path": pod(volumes=[{"name": "ib", "hostPath": {"path": "/dev/infiniband", "type": "Directory"}}]),
    "nfs": pod(volumes=[{"name": "weights", "nfs": {"server": "nfs.example", "path": "/models"}}]),
    "empty-volume": pod(volumes=[{"name": "v"}]),
    "all-mild-volumes": pod(
        volumes=[
            {"name": "a", "emptyDir": {}},
            {"name": "b", "configMap": {"name": "x"}},
            {"name": "c", "secret": {"secretName": "x"}},
            {"name": "d", "persistentVolumeClaim": {"claimName": "x"}},
            {"name": "e", "projected": {"sources": [{"configMap": {"name": "x"}}]}},
            {"name": "f", "downwardAPI": {"items": []}},
            {"name": "g", "csi": {"driver": "secrets-store.csi.k8s.io", "readOnly": True}},
            {"name": "h", "image": {"reference": "registry.k8s.io/pause:3.10"}},
        ]
    ),
    "probe-elsewhere": probing(livenessProbe={"httpGet": {"port": 80, "host": "10.0.0.1"}}),
    "hook-elsewhere": probing(lifecycle={"preStop": {"httpGet": {"port": 80, "host": "127.0.0.1"}}}),
    "probe-here": probing(readinessProbe={"tcpSocket": {"port": 80}}),
    "apparmor": secured(appArmorProfile={"type": "Unconfined"}),
    "apparmor-pod": pod({**SAFE_POD, "appArmorProfile": {"type": "Unconfined"}}),
    "apparmor-annotation": annotated({"container.apparmor.security.beta.kubernetes.io/c": "unconfined"}),
    "apparmor-default": annotated({"container.apparmor.security.beta.kubernetes.io/c": "runtime/default"}),
    "selinux-type": secured(seLinuxOptions={"type": "spc_t"}),
    "selinux-engine": secured(seLinuxOptions={"type": "container_engine_t"}),
    "selinux-user": pod({**SAFE_POD, "seLinuxOptions": {"user": "u", "role": "r"}}),
    "selinux-level": pod({**SAFE_POD, "seLinuxOptions": {"level": "s0:c1,c2"}}),
    "sysctl-safe": pod({**SAFE_POD, "sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]}),
    "sysctl-new": pod({**SAFE_POD, "sysctls": [{"name": "net.ipv4.tcp_rmem", "value": "4096 1 2"}]}),
    "sysctl-unsafe": pod({**SAFE_POD, "sysctls": [{"name": "net.core.somaxconn", "value": "1024"}]}),
    "sidecar-root": pod(initContainers=[container("s", restartPolicy="Always", securityContext={"runAsUser": 0})]),
    "windows": pod({"runAsNonRoot": True}, os={"name": "windows"}, containers=[container(securityContext={})]),
    "host-process": pod(
        {"runAsNonRoot": False, "windowsOptions": {"hostProcess": True, "runAsUserName": "u"}},
        os={"name": "windows"},
        hostNetwork=True,
        containers=[container(securityContext={})],
    ),
    "own-users": pod(hostUsers=False, containers=[container(securityContext=SAFE | {"runAsUser": 0})]),
}


def shipped() -> dict[str, dict[str, Any]]:
    """The pods of every path, as its recipe gives them by default, and those with RDMA."""
    found = {}
    chosen = [{"path": path} for path in catalog().names("path")]
    chosen += [
        {"path": "pd-disaggregation", "accelerator": "h200", "fabric": "rdma-ib"},
        {"path": "pd-disaggregation", "accelerator": "mi300x", "fabric": "oci-sriov"},
        {"path": "wide-ep", "accelerator": "h200", "fabric": "gke-multi-network", "platform": "gke"},
        {"path": "pd-disaggregation", "accelerator": "h200", "platform": "openshift", "fabric": "openshift-roce"},
    ]
    for facets in chosen:
        _, objects, _ = rendered("demo", "default", tuple(sorted(facets.items())))
        for number, template in enumerate(templates(objects)):
            spec = copy.deepcopy(dict(template.spec)) | {"serviceAccountName": ACCOUNT}
            name = "-".join((*facets.values(), template.role, str(number)))
            found[name] = {"annotations": dict(template.annotations), "spec": spec}
    return found


@pytest.fixture(scope="module")
def pods() -> dict[str, dict[str, Any]]:
    for each in WRITTEN.values():
        each["spec"].setdefault("serviceAccountName", ACCOUNT)
        each["spec"].setdefault("automountServiceAccountToken", False)
    return WRITTEN | shipped()


@pytest.mark.parametrize("level", ["baseline", "restricted"])
@pytest.mark.parametrize("version", PINNED)
def test_the_api_server_says_the_same(
    plane: Plane, pods: Mapping[str, dict[str, Any]], level: str, version: str
) -> None:
    namespace = plane.namespace("pss")
    labels = {f"pod-security.kubernetes.io/{key}": value for key, value in levels(level, version).items()}
    plane.api.merge(NAMESPACES.url(namespace), {"metadata": {"labels": labels}})
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}}
    plane.api.create(ACCOUNTS.url(namespace=namespace), account)
    pinned = None if version == "latest" else (1, int(version.removeprefix("v1.")))
    differing = {}
    for name, each in pods.items():
        ours = {
            found.control
            for found in violations(
                Level(name=level, version=pinned), each["annotations"], each["spec"], server=server(plane)
            )
        }
        theirs = answered(plane, namespace, name, each)
        if ours != theirs:
            differing[name] = {"ours": sorted(ours), "server": sorted(theirs)}
    assert differing == {}
    assert len(pods) >= 25


def levels(level: str, version: str) -> dict[str, str]:
    return {"enforce": level, "enforce-version": version}


def server(plane: Plane) -> tuple[int, int]:
    said = plane.api.get("/version")
    return int(said["major"]), int(re.sub(r"\D", "", said["minor"]))


def answered(plane: Plane, namespace: str, name: str, each: Mapping[str, Any]) -> set[str]:
    """The controls that the server names when it refuses a dry run of a pod; nothing where it lets it in."""
    metadata = {"name": re.sub(r"[^a-z0-9-]", "-", name.lower())[:60].strip("-"), "annotations": each["annotations"]}
    item = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": each["spec"]}
    try:
        plane.api.request("POST", PODS.url(namespace=namespace) + "?dryRun=All", item)
    except ClusterError as refused:
        said = str(refused)
        assert "violates PodSecurity" in said, f"{name}: {said}"
        return named(said)
    return set()


def named(refusal: str) -> set[str]:
    """`... violates PodSecurity "restricted:latest": a (x), b (y "z")` -> {a, b}."""
    listed = re.split(r'violates PodSecurity "[^"]*": ', refusal, maxsplit=1)[1]
    found, depth, word = set(), 0, ""
    for character in listed + ",":
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            found.add(word.split(" (", maxsplit=1)[0].strip())
            word = ""
        else:
            word += character
    return {"forbidden AppArmor profile" if each == "forbidden AppArmor profiles" else each for each in found if each}
