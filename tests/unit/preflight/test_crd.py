"""CRDs, controllers and label selectors as checks read them."""

from __future__ import annotations

from typing import Any

import pytest

from llmdctl.preflight.controller import ISTIOD, KEDA, LWS, Controller
from llmdctl.preflight.crd import Crd, names, oldest_bundle, version
from llmdctl.preflight.selector import selects


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v1.5.1", (1, 5, 1)),
        ("1.29.2-distroless", (1, 29, 2)),
        ("v1.5.0-dev", (1, 5, 0)),
        ("main-dev", None),
        ("latest", None),
        ("1.5", None),
        ("", None),
        (None, None),
    ],
)
def test_a_version_is_three_numbers_at_the_front(text: object, expected: object) -> None:
    assert version(text) == expected


def crd(**metadata: Any) -> Crd:
    return Crd(item={"metadata": {"name": "gateways.gateway.networking.k8s.io", **metadata}, "spec": {}, "status": {}})


@pytest.mark.parametrize(
    ("metadata", "owner"),
    [
        ({}, ""),
        ({"annotations": {"components.gke.io/component-name": "gateway-api-crds"}}, "GKE (gateway-api-crds)"),
        ({"labels": {"addonmanager.kubernetes.io/mode": "Reconcile"}}, "GKE"),
        (
            {"annotations": {"meta.helm.sh/release-name": "eg", "meta.helm.sh/release-namespace": "envoy"}},
            "Helm release eg in namespace envoy",
        ),
        ({"labels": {"olm.managed": "true"}}, "the Operator Lifecycle Manager"),
        ({"labels": {"operators.coreos.com/gpu.nvidia": ""}}, "the Operator Lifecycle Manager"),
        ({"annotations": {"linkerd.io/created-by": "linkerd/cli"}}, "Linkerd"),
        ({"labels": {"argocd.argoproj.io/instance": "platform"}}, "GitOps (argocd.argoproj.io/instance)"),
        ({"labels": {"gateway.networking.k8s.io/policy": "Direct"}}, ""),
    ],
)
def test_the_owner_of_a_crd_is_who_says_so(metadata: dict[str, Any], owner: str) -> None:
    assert crd(**metadata).owner == owner


def test_the_oldest_bundle_leaves_out_what_does_not_say() -> None:
    key = "gateway.networking.k8s.io/bundle-version"
    found = [crd(annotations={key: each}) for each in ("v1.10.0", "v1.9.2", "main-dev")] + [crd()]
    oldest = oldest_bundle(found)
    assert oldest is not None
    assert oldest[1].bundle == "v1.9.2"
    assert oldest_bundle([crd()]) is None


@pytest.mark.parametrize(
    ("words", "said"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_names_read_as_a_sentence(words: list[str], said: str) -> None:
    assert names(words) == said


def deployment(image: str, *, name: str = "d", labels: dict[str, str] | None = None, **status: Any) -> Controller:
    spec = {"template": {"metadata": {"labels": {}}, "spec": {"containers": [{"name": "c", "image": image}]}}}
    return Controller(item={"metadata": {"name": name, "labels": labels or {}}, "spec": spec, "status": status})


@pytest.mark.parametrize(
    ("image", "trait", "shown"),
    [
        ("docker.io/istio/pilot:1.29.2", ISTIOD, True),
        ("mirror.example:5000/team/istio/pilot:1.29.2", ISTIOD, True),
        ("registry.redhat.io/openshift-service-mesh/istio-pilot-rhel9@sha256:00", ISTIOD, True),
        ("docker.io/acme/autopilot:2.0.0", ISTIOD, False),
        ("registry.k8s.io/lws/lws:v0.9.0", LWS, True),
        ("docker.io/acme/lws:1.0.0", LWS, False),
        ("ghcr.io/kedacore/keda:2.21.0", KEDA, True),
        ("ghcr.io/kedacore/keda-metrics-apiserver:2.21.0", KEDA, False),
    ],
)
def test_a_controller_is_known_by_its_image_wherever_it_was_mirrored(image: str, trait: Any, shown: bool) -> None:
    assert deployment(image).shows(trait) is shown


def test_a_controller_is_known_by_its_labels_where_the_image_has_another_name() -> None:
    assert deployment("registry.example/p:1", labels={"app": "istiod"}).shows(ISTIOD)
    assert deployment("registry.example/p:1", name="keda-operator").shows(KEDA)


@pytest.mark.parametrize(
    ("image", "label", "expected"),
    [
        ("docker.io/istio/pilot:1.29.2", None, (1, 29, 2)),
        ("mirror:5000/istio/pilot:1.29.2@sha256:00", None, (1, 29, 2)),
        ("mirror:5000/istio/pilot@sha256:00", "1.28.8", (1, 28, 8)),
        ("mirror:5000/istio/pilot", None, None),
        ("docker.io/istio/pilot:latest", "1.28.8", (1, 28, 8)),
    ],
)
def test_the_version_is_that_of_the_tag_else_of_the_label(image: str, label: str | None, expected: object) -> None:
    labels = {"app.kubernetes.io/version": label} if label else None
    assert deployment(image, labels=labels).version == expected


@pytest.mark.parametrize(
    ("status", "available"),
    [
        ({}, False),
        ({"availableReplicas": 1}, True),
        ({"conditions": [{"type": "Available", "status": "True"}]}, True),
        ({"conditions": [{"type": "Available", "status": "False"}], "availableReplicas": 1}, False),
    ],
)
def test_a_controller_is_available_when_its_deployment_says_so(status: dict[str, Any], available: bool) -> None:
    assert deployment("c:1", **status).available is available


LABELS = {"app": "a", "tier": "web"}


@pytest.mark.parametrize(
    ("selector", "taken"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "a"}}, True),
        ({"matchLabels": {"app": "b"}}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["web", "db"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "zone", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "zone", "operator": "DoesNotExist"}]}, True),
        ({"matchLabels": {"app": "a"}, "matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_a_selector_takes_what_the_api_server_would(selector: object, taken: bool) -> None:
    assert selects(selector, LABELS) is taken
