"""Admission webhooks without a server: what LD1303 says before an install, and what the real API server then does.

Every configuration concerns one namespace of its own, so that others in the same sandbox go on undisturbed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from llmdctl.errors import LlmdctlError
from llmdctl.kube import capture, connect
from llmdctl.model.check import CheckResult, Outcome
from llmdctl.preflight.case import Case
from llmdctl.preflight.checks import CHECKS
from llmdctl.preflight.judging import judge
from tests.e2e.conftest import Plane
from tests.e2e.sandbox.objects import SERVICES, WEBHOOKS
from tests.unit.preflight.cases import rendered

pytestmark = pytest.mark.e2e

ALL = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}
DEPLOYMENTS = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}
PODS_RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
OURS = {"matchLabels": {"app.kubernetes.io/part-of": "llmd"}}
OTHERS = {"matchLabels": {"app.kubernetes.io/part-of": "another"}}
CASES: dict[str, dict[str, Any]] = {
    "everything-namespaced": {"rules": [ALL | {"scope": "Namespaced"}]},
    "deployments": {"rules": [DEPLOYMENTS]},
    "pods": {"rules": [PODS_RULE]},
    "pods-of-ours": {"rules": [PODS_RULE], "objectSelector": OURS},
    "pods-of-others": {"rules": [PODS_RULE], "objectSelector": OTHERS},
    "passed-over": {"rules": [DEPLOYMENTS], "failurePolicy": "Ignore"},
    "updates": {"rules": [DEPLOYMENTS | {"operations": ["UPDATE", "DELETE"]}]},
    "another-group": {"rules": [DEPLOYMENTS | {"apiGroups": ["batch"]}]},
    "cluster-scoped": {"rules": [DEPLOYMENTS | {"scope": "Cluster"}]},
    "status": {"rules": [DEPLOYMENTS | {"resources": ["deployments/status"]}]},
    "pools": {
        "rules": [
            {
                "apiGroups": ["inference.networking.k8s.io"],
                "apiVersions": ["*"],
                "operations": ["*"],
                "resources": ["inferencepools"],
            }
        ]
    },
    "other-namespaces": {"rules": [ALL | {"scope": "Namespaced"}], "namespaceSelector": {"matchLabels": {"team": "x"}}},
}


@pytest.mark.parametrize("name", CASES)
def test_a_dead_webhook_is_said_before_it_refuses(plane: Plane, name: str) -> None:
    namespace = plane.namespace("hooks")
    configuration = f"{namespace}-{name}"
    plane.api.create(WEBHOOKS.url(), written(configuration, namespace, CASES[name]))
    try:
        said = judged(plane, namespace)
        refused = refusals(plane, namespace)
    finally:
        plane.api.delete(WEBHOOKS.url(configuration))
    assert (said.outcome is Outcome.FAIL) == bool(refused), f"{said.message} / {refused}"
    assert (configuration in str(said.evidence)) == (said.outcome in (Outcome.FAIL, Outcome.WARN))


def test_a_service_without_endpoints_is_dead_too(plane: Plane) -> None:
    namespace = plane.namespace("hooks")
    service = {"metadata": {"name": "gone"}, "spec": {"ports": [{"port": 443}], "selector": {"app": "gone"}}}
    plane.api.create(SERVICES.url(namespace=namespace), {"apiVersion": "v1", "kind": "Service", **service})
    plane.api.create(WEBHOOKS.url(), written(namespace, namespace, CASES["deployments"]))
    try:
        said = judged(plane, namespace)
    finally:
        plane.api.delete(WEBHOOKS.url(namespace))
    assert said.outcome is Outcome.FAIL
    assert "has no ready endpoint" in said.message


def written(name: str, namespace: str, hook: Mapping[str, Any]) -> dict[str, Any]:
    own = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "judge.example.com",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "timeoutSeconds": 1,
                "clientConfig": {"service": {"name": "gone", "namespace": namespace}, "caBundle": ""},
                "namespaceSelector": own,
                **hook,
            }
        ],
    }


def objects(namespace: str) -> tuple[Mapping[str, Any], ...]:
    return rendered("demo", namespace, (("path", "optimized-baseline"),))[1]


def judged(plane: Plane, namespace: str) -> CheckResult:
    """What LD1303 says of the cluster as it is captured."""
    check = CHECKS["LD1303"]
    cluster = connect(kubeconfig=plane.kubeconfig, context=plane.context)
    inventory = capture(cluster, namespace=namespace, release="demo", sections=check.needs)
    case = Case(inventory=inventory, objects=objects(namespace), release="demo", namespace=namespace)
    (result,) = judge(case, [check])
    assert "This is a bug" not in result.message
    return result


def refusals(plane: Plane, namespace: str) -> list[str]:
    """What the API server refuses for its webhook when everything is tried, and a pod of each workload."""
    cluster = connect(kubeconfig=plane.kubeconfig, context=plane.context)
    case = Case(inventory=capture(cluster, sections=()), objects=objects(namespace), namespace=namespace)
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"p{number}", "namespace": namespace, "labels": dict(template.labels)},
            "spec": {
                "containers": [{"name": "c", "image": "registry.k8s.io/pause:3.10"}],
                "automountServiceAccountToken": False,
            },
        }
        for number, template in enumerate(case.workloads)
    ]
    found = []
    for item in (*case.objects, *pods):
        try:
            cluster.apply(item, dry_run=True)
        except LlmdctlError as wrong:
            text = f"{wrong} {getattr(wrong, 'remedy', '')} {getattr(wrong, 'problems', '')}"
            if "failed calling webhook" in text:
                found.append(f"{item['kind']}: {text}")
    return found
