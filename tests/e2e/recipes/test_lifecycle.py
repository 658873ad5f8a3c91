"""The whole way of a release on the real control plane: install, again, diff, change, upgrade, remove, nothing left."""

from __future__ import annotations

from typing import Any

import pytest

from llmdctl.sandbox.api import Resource
from tests.e2e.recipes.commands import Commands

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("spreads_over_h200")]

# Every kind that a release may leave behind in its namespace. Events are no traces of ours.
KINDS = (
    ("api/v1", "pods"),
    ("api/v1", "services"),
    ("api/v1", "configmaps"),
    ("api/v1", "secrets"),
    ("api/v1", "serviceaccounts"),
    ("apis/apps/v1", "deployments"),
    ("apis/apps/v1", "replicasets"),
    ("apis/apps/v1", "statefulsets"),
    ("apis/policy/v1", "poddisruptionbudgets"),
    ("apis/networking.k8s.io/v1", "networkpolicies"),
    ("apis/rbac.authorization.k8s.io/v1", "roles"),
    ("apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    ("apis/leaderworkerset.x-k8s.io/v1", "leaderworkersets"),
    ("apis/inference.networking.k8s.io/v1", "inferencepools"),
    ("apis/gateway.networking.k8s.io/v1", "gateways"),
    ("apis/gateway.networking.k8s.io/v1", "httproutes"),
    ("apis/keda.sh/v1alpha1", "scaledobjects"),
    ("apis/resource.k8s.io/v1", "resourceclaimtemplates"),
)
CLUSTER_KINDS = (
    ("apis/rbac.authorization.k8s.io/v1", "clusterroles"),
    ("apis/rbac.authorization.k8s.io/v1", "clusterrolebindings"),
)
GIVEN = {"serviceaccounts/default", "configmaps/kube-root-ca.crt"}  # in every namespace, by Kubernetes itself


def names(plane, namespace: str | None) -> set[str]:
    """`plural/name` of everything of these kinds; cluster-scoped ones when `namespace` is None."""
    found = set()
    for path, plural in CLUSTER_KINDS if namespace is None else KINDS:
        resource = Resource(path=path, plural=plural)
        answer = plane.api.get(resource.url() if namespace is None else resource.url(namespace=namespace))
        found |= {f"{plural}/{item['metadata']['name']}" for item in answer["items"]}
    return found


@pytest.mark.parametrize("recipe", ["optimized-baseline", "pd-disaggregation"])
@pytest.mark.parametrize("gateway", ["standalone", "istio"])
def test_from_nothing_to_nothing(plane, llmdctl, recipe: str, gateway: str) -> None:
    """With vLLM, more of it, and then with SGLang under the same name: each engine is installed and left in peace."""
    namespace = plane.namespace("way")
    asked = (recipe, "-n", namespace, "--accelerator", "h200", "--gateway", gateway)
    role = "prefill" if recipe == "pd-disaggregation" else "aggregate"

    first = install(llmdctl, asked, "installed")
    assert all(pod["ready"] and pod["node"] for pod in first["pods"])
    assert any(f"/{namespace}-" in name for name in names(plane, None))
    again = install(llmdctl, asked, "unchanged")
    assert again["revision"] == first["revision"]
    assert "no difference" in llmdctl.run("diff", *asked).out

    more = (*asked, "--role", f"{role}.replicas=3")
    differing = llmdctl.run("diff", *more, "-o", "json", expect=10).document()
    assert [(c["action"], c["key"]["kind"], c["key"]["name"]) for c in differing["changes"]] == [
        ("change", "Deployment", f"{recipe}-{role}")
    ]
    other = (*more, "--engine", "sglang")
    upgraded = install(llmdctl, other, "upgraded")
    assert [pod["role"] for pod in upgraded["pods"]].count(role) == 3, upgraded["pods"]
    assert install(llmdctl, other, "unchanged")["revision"] == upgraded["revision"]

    status = llmdctl.run("status", recipe, "-n", namespace, "-o", "json").document()
    assert status["readiness"] == "ready"
    assert status["endpoint"].startswith("http://")

    llmdctl.run("uninstall", recipe, "-n", namespace, "--yes")
    assert names(plane, namespace) - GIVEN == set()
    assert {name for name in names(plane, None) if f"/{namespace}-" in name} == set()
    assert llmdctl.run("status", "-n", namespace).out.startswith("No release")


def install(llmdctl: Commands, asked: tuple[str, ...], action: str) -> dict[str, Any]:
    """The release, ready after an install that has done this."""
    done = llmdctl.run("install", *asked, "-o", "json").document()
    assert (done["action"], done["facets"]["engine"]) == (action, "sglang" if "sglang" in asked else "vllm")
    release: dict[str, Any] = done["release"]
    assert release["readiness"] == "ready"
    assert release["pods"]
    return release
