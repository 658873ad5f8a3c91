"""Controllers by their charts, CRDs by server-side apply, and neither where it would do harm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from llmdctl.errors import ClusterError, ConflictError, PreflightError
from llmdctl.model.release import Prerequisite, PrerequisiteChart, ReleaseSpec
from llmdctl.release.events import Noticed
from tests.fakes.cluster import crd
from tests.unit.release.conftest import World, chart, spec

WIDGETS = crd("widgets", "test.dev", "Widget", "v1")
KEDA = Prerequisite(
    name="keda",
    title="KEDA",
    kind="controller",
    version="2.21.0",
    crds=("scalers.keda.test",),
    charts=(
        PrerequisiteChart(name="keda-crds", version="2.21.0", reference="oci://charts.example/keda-crds"),
        PrerequisiteChart(
            name="keda", version="2.21.0", repository="https://charts.example", values={"watchNamespace": ""}
        ),
    ),
    namespace="keda",
)


def needing(*prerequisites: Prerequisite, **values: Any) -> ReleaseSpec:
    return replace(spec(**values), prerequisites=prerequisites)


def charts(name: str, values: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    if name == "keda-crds":
        return [crd("scalers", "keda.test", "Scaler", "v1")]
    if name == "keda":
        metadata = {"name": "keda-operator", "labels": {"app.kubernetes.io/instance": "keda"}}
        return [{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": 1}}]
    return chart(name, values)


@pytest.fixture
def furnished(world: World) -> World:
    world.helm.chart = charts
    return world


def test_a_controller_is_installed_by_its_charts_in_order_and_waited_for(furnished: World):
    furnished.install(needing(KEDA), with_prerequisites=True)
    crds, keda, release = furnished.helm.changes
    assert (crds.chart, crds.repository, crds.namespace) == ("oci://charts.example/keda-crds", None, "keda")
    assert (keda.chart, keda.repository, keda.chart_version) == ("keda", "https://charts.example", "2.21.0")
    assert keda.values == {"watchNamespace": ""}
    assert crds.create_namespace
    assert release.name == "pd"


def test_its_crds_are_left_to_its_charts(furnished: World):
    pinned = crd("scalers", "keda.test", "Scaler", "v1")
    furnished.install(needing(KEDA), with_prerequisites=True, crds=lambda: [pinned])
    assert ("apply", "CustomResourceDefinition/scalers.keda.test") not in furnished.cluster.calls


def test_crds_that_a_chart_skips_are_applied_from_the_pinned_ones(furnished: World):
    pinned = crd("scalers", "keda.test", "Scaler", "v1")
    alone = replace(KEDA, charts=(replace(KEDA.charts[1], skip_crds=True),))
    furnished.install(needing(alone), with_prerequisites=True, crds=lambda: [pinned])
    assert ("apply", "CustomResourceDefinition/scalers.keda.test") in furnished.cluster.calls
    assert [change.skip_crds for change in furnished.helm.changes] == [True, False]


def test_on_simulated_nodes_no_controller_is_installed(furnished: World):
    annotations = {"kwok.x-k8s.io/node": "fake"}
    furnished.cluster.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "annotations": annotations}})
    with pytest.raises(PreflightError, match="KEDA cannot be installed here: the nodes are simulated"):
        furnished.install(needing(KEDA), with_prerequisites=True)
    assert not furnished.helm.changes


def test_on_simulated_nodes_crds_alone_are_fine(furnished: World):
    annotations = {"kwok.x-k8s.io/node": "fake"}
    furnished.cluster.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "annotations": annotations}})
    furnished.install(needing(widget=True), with_prerequisites=True, crds=lambda: [WIDGETS])
    assert furnished.cluster.names("CustomResourceDefinition") == ["widgets.test.dev"]


METRICS = "v1beta1.external.metrics.k8s.io"


def api_service(**annotations: str) -> dict[str, Any]:
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": METRICS, "annotations": annotations},
        "spec": {"service": {"namespace": "monitoring", "name": "prometheus-adapter"}},
    }


def test_an_api_service_of_another_adapter_is_not_taken_over(furnished: World):
    furnished.cluster.put(api_service(**{"meta.helm.sh/release-name": "adapter"}))
    with pytest.raises(ConflictError, match=f"{METRICS}, which is served by monitoring/prometheus-adapter"):
        furnished.install(needing(replace(KEDA, api_services=(METRICS,))), with_prerequisites=True)
    assert not furnished.helm.changes


def test_its_own_api_service_is_no_obstacle(furnished: World):
    furnished.cluster.put(api_service(**{"meta.helm.sh/release-name": "keda"}))
    furnished.install(needing(replace(KEDA, api_services=(METRICS,))), with_prerequisites=True)
    assert [change.name for change in furnished.helm.changes] == ["keda-crds", "keda", "pd"]


def test_what_the_platform_brings_is_not_put_there(furnished: World):
    needed = Prerequisite(name="gke", title="GKE Gateway", kind="platform", version="1", crds=("widgets.test.dev",))
    with pytest.raises(ClusterError, match="GKE Gateway comes with the platform"):
        furnished.install(needing(needed), with_prerequisites=True, crds=lambda: [WIDGETS])


def test_a_crd_that_is_pinned_nowhere_is_an_error(furnished: World):
    needed = Prerequisite(name="x", title="X", kind="crds", version="1", crds=("xs.x.dev",))
    with pytest.raises(ClusterError, match=r"xs\.x\.dev is not among the pinned CRDs"):
        furnished.install(needing(needed), with_prerequisites=True, crds=lambda: [WIDGETS])


def test_a_crd_of_another_owner_that_is_too_old_is_not_taken_over(furnished: World):
    old = crd("widgets", "test.dev", "Widget", "v1alpha1")
    old["metadata"]["managedFields"] = [{"manager": "argocd", "operation": "Apply"}]
    furnished.cluster.put(old)
    with pytest.raises(ConflictError, match="belongs to argocd and does not serve v1"):
        furnished.install(needing(widget=True), with_prerequisites=True, crds=lambda: [WIDGETS])


def test_what_is_served_is_not_touched(furnished: World):
    furnished.cluster.put(crd("scalers", "keda.test", "Scaler", "v1"))
    furnished.install(needing(KEDA), with_prerequisites=True)
    assert [change.name for change in furnished.helm.changes] == ["pd"]


@pytest.mark.parametrize(
    ("deployment", "noticed"),
    [
        ({"name": "keda-operator"}, 0),
        ({"name": "op", "labels": {"app.kubernetes.io/name": "keda"}}, 0),
        ({"name": "other"}, 1),
    ],
)
def test_a_controller_that_is_not_found_by_name_is_mentioned(
    furnished: World, deployment: dict[str, Any], noticed: int
):
    furnished.cluster.put(crd("scalers", "keda.test", "Scaler", "v1"))
    metadata = {"namespace": "elsewhere", **deployment}
    furnished.cluster.put(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": 1}}
    )
    furnished.install(needing(KEDA))
    assert len([event for event in furnished.told(Noticed) if "no Deployment of KEDA" in event.message]) == noticed
