"""OpenShift's constraints, by what its admission does: https://github.com/openshift/apiserver-library-go."""

from __future__ import annotations

from typing import Any

import pytest

from llmdctl.preflight.pod_security import Pod
from llmdctl.preflight.security_constraints import granted, refusals, usable

PROJECT = {
    "openshift.io/sa.scc.uid-range": "1000680000/10000",
    "openshift.io/sa.scc.supplemental-groups": "1000680000/10000",
}
RESTRICTED: dict[str, Any] = {  # restricted-v2 of https://github.com/openshift/cluster-kube-apiserver-operator
    "metadata": {"name": "restricted-v2"},
    "allowHostDirVolumePlugin": False,
    "allowHostIPC": False,
    "allowHostNetwork": False,
    "allowHostPID": False,
    "allowHostPorts": False,
    "allowPrivilegeEscalation": False,
    "allowPrivilegedContainer": False,
    "allowedCapabilities": ["NET_BIND_SERVICE"],
    "fsGroup": {"type": "MustRunAs"},
    "groups": [],
    "readOnlyRootFilesystem": False,
    "requiredDropCapabilities": ["ALL"],
    "runAsUser": {"type": "MustRunAsRange"},
    "seLinuxContext": {"type": "MustRunAs"},
    "seccompProfiles": ["runtime/default"],
    "supplementalGroups": {"type": "RunAsAny"},
    "users": [],
    "volumes": [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ],
}


def pod(context: dict[str, Any] | None = None, **spec: Any) -> Pod:
    containers = [{"name": "c", "securityContext": context or {}}]
    return Pod(annotations={}, spec={"containers": containers, **spec}, version=(1, 0))


@pytest.mark.parametrize(
    ("asked", "constraint", "said"),
    [
        (pod(), {}, ()),
        (pod({"capabilities": {"add": ["IPC_LOCK"]}}), {}, ("c adds IPC_LOCK",)),
        (pod({"capabilities": {"add": ["IPC_LOCK"]}}), {"allowedCapabilities": ["IPC_LOCK"]}, ()),
        (pod({"capabilities": {"add": ["IPC_LOCK"]}}), {"allowedCapabilities": ["*"]}, ()),
        (pod({"capabilities": {"add": ["NET_BIND_SERVICE"]}}), {}, ()),
        (pod({"privileged": True}), {}, ("c is privileged",)),
        (pod({"allowPrivilegeEscalation": True}), {}, ("c allows privilege escalation",)),
        (pod({"allowPrivilegeEscalation": False}), {}, ()),
        (pod({"runAsUser": 0}), {}, ("c runs as user 0",)),
        (pod({"runAsUser": 1000680000}), {}, ()),
        (pod({"runAsUser": 1000689999}), {}, ()),
        (pod({"runAsUser": 1000690000}), {}, ("c runs as user 1000690000",)),
        (pod({"runAsUser": 65532}), {"runAsUser": {"type": "MustRunAsNonRoot"}}, ()),
        (pod({"runAsUser": 0}), {"runAsUser": {"type": "RunAsAny"}}, ()),
        (pod({"runAsUser": 5}), {"runAsUser": {"type": "MustRunAs", "uid": 6}}, ("c runs as user 5",)),
        (pod(securityContext={"runAsUser": 0}), {}, ("c runs as user 0",)),
        (pod(securityContext={"fsGroup": 2000}), {}, ("fsGroup 2000",)),
        (pod(securityContext={"fsGroup": 1000680001}), {}, ()),
        (pod(securityContext={"seccompProfile": {"type": "RuntimeDefault"}}), {}, ()),
        (
            pod(securityContext={"seccompProfile": {"type": "RuntimeDefault"}}),
            {"seccompProfiles": None},
            ("c states the seccomp profile RuntimeDefault",),
        ),
        (pod(volumes=[{"name": "v", "hostPath": {"path": "/dev"}}]), {}, ("hostPath volume v",)),
        (pod(volumes=[{"name": "v", "hostPath": {"path": "/dev"}}]), {"volumes": ["*"]}, ()),
        (pod(volumes=[{"name": "v"}, {"name": "w", "emptyDir": {}}]), {}, ()),
        (pod(hostNetwork=True), {}, ("hostNetwork",)),
        (pod(hostIPC=True), {"allowHostIPC": True}, ()),
    ],
)
def test_what_a_constraint_refuses(asked: Pod, constraint: dict[str, Any], said: tuple[str, ...]) -> None:
    assert refusals(RESTRICTED | constraint, asked, PROJECT) == said


def test_who_may_use_it() -> None:
    own = RESTRICTED | {"metadata": {"name": "rdma"}}
    assert usable(RESTRICTED, "a", "n")
    assert not usable(own, "a", "n")
    assert usable(own | {"users": ["system:serviceaccount:n:a"]}, "a", "n")
    assert not usable(own | {"users": ["system:serviceaccount:m:a"]}, "a", "n")
    assert usable(own | {"groups": ["system:serviceaccounts:n"]}, "a", "n")


def test_a_role_of_the_recipe_may_allow_it() -> None:
    rule = {"apiGroups": ["security.openshift.io"], "resources": ["securitycontextconstraints"], "verbs": ["use"]}
    role = {"kind": "Role", "rules": [rule | {"resourceNames": ["rdma"]}]}
    assert granted([role], "rdma")
    assert not granted([role], "privileged")
    assert granted([{"kind": "ClusterRole", "rules": [rule]}], "privileged")
