"""What is in a real cluster already, captured from it and judged: each state is named by its check, and nothing else.

The inventory goes through its file and back, as a captured one does.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from llmdctl import programs
from llmdctl.helm import Helm, open_helm
from llmdctl.kube import Cluster, capture, connect
from llmdctl.model.check import CheckResult, Outcome
from llmdctl.model.inventory import Inventory
from llmdctl.model.inventory_file import dump, load
from llmdctl.preflight.case import Case
from llmdctl.preflight.checks import CHECKS
from llmdctl.preflight.crd import judged_groups
from llmdctl.preflight.judging import judge
from llmdctl.release import InstallOptions, install
from llmdctl.sandbox.api import MERGE, Resource
from llmdctl.values import build
from tests.e2e.conftest import Plane
from tests.e2e.release.conftest import open_gate
from tests.e2e.sandbox.objects import ACCOUNTS, CLAIMS, DEPLOYMENTS, POOLS, SCALERS, SECRETS, SERVICES, wait
from tests.unit.preflight.cases import accelerators, catalog, frozen, rendered

pytestmark = pytest.mark.e2e

CHART = Path(__file__).parents[1] / "release" / "chart"
CODES = [code for code in CHECKS if code[2:4] in ("04", "05", "15")] + ["LD1407"]
SECTIONS = frozenset(need for code in CODES for need in CHECKS[code].needs) | {"nodes", "dry-run"}
OF_THE_RECIPE = frozenset({"access", "dry-run", "live"})
NAME = "state"
PATH = "pd-disaggregation"

SCALED = ("batch", "model-as-a-service", "peak-provisioned")  # as they come
LACKING = {
    # nodes are simulated: no controller runs there
    ("wide-ep", "LD0407"): (Outcome.SKIP, "all nodes are simulated, so no controller of LeaderWorkerSet can run"),
    **{(path, "LD0409"): (Outcome.SKIP, "no controller of KEDA can run") for path in SCALED},
    ("model-as-a-service", "LD0502"): (Outcome.SKIP, "no controller of a Gateway can run"),
    # the kinds of the Prometheus operator are there, a Prometheus is not
    **{(path, "LD0411"): (Outcome.WARN, "No Prometheus object is there") for path in SCALED},
    # the Gateway that all models share is made apart, before or after
    ("model-as-a-service", "LD0511"): (Outcome.WARN, "Gateway models is not in namespace"),
}
"""(recipe, code) -> what the sandbox honestly lacks for the recipes as they come, as the check says it."""


@dataclass(frozen=True)
class Place:
    """One namespace of the plane, and what preflight says of a release there."""

    plane: Plane
    cluster: Cluster
    helm: Helm
    namespace: str
    folder: Path
    known: Inventory | None = None  # what was captured here without a recipe, where nothing changes meanwhile

    def results(self, path: str = PATH, **facets: str) -> Mapping[str, CheckResult]:
        """The results by their codes, of an inventory that was written and read."""
        recipe, objects, _ = rendered(NAME, self.namespace, frozen({"path": path, **facets}))
        wanted = SECTIONS if self.known is None else SECTIONS & OF_THE_RECIPE
        taken = capture(
            self.cluster, objects=objects, namespace=self.namespace, release=NAME, sections=wanted,
            crd_groups=judged_groups(objects, recipe), timeout_s=60,
        )  # fmt: skip
        if self.known is not None:
            taken = replace(self.known, sections={**self.known.sections, **taken.sections})
        file = self.folder / "inventory.yaml"
        file.write_text(dump(taken))
        case = Case(
            inventory=load(file), objects=objects, recipe=recipe, release=NAME, namespace=self.namespace,
            accelerators=accelerators(),
        )  # fmt: skip
        return {result.code: result for result in judge(case, [CHECKS[code] for code in CODES])}

    def bad(self, path: str = PATH, **facets: str) -> Mapping[str, CheckResult]:
        """Those of the results that are bad here."""
        return self.bad_of(self.results(path, **facets))

    def bad_of(self, found: Mapping[str, CheckResult]) -> Mapping[str, CheckResult]:
        """Those that fail, warn or do not know; of leftovers only this namespace's: other tests run beside this one."""
        return {
            code: result
            for code, result in found.items()
            if result.outcome not in (Outcome.PASS, Outcome.SKIP)
            and (code != "LD1506" or any(f"/{self.namespace}/" in seen.object for seen in result.evidence))
        }

    def create(self, resource: Resource, body: Mapping[str, Any], **metadata: Any) -> None:
        """Make an object here, as somebody else does."""
        whole = {**body, "metadata": {"namespace": self.namespace, **metadata}}
        self.plane.api.create(resource.url(namespace=self.namespace), whole)

    def apply_as_helm(self, resource: Resource, body: Mapping[str, Any], *, name: str, **metadata: Any) -> None:
        """Make an object under Helm's field manager, as an older chart of the release did."""
        url = f"{resource.url(name, namespace=self.namespace)}?fieldManager=helm"
        whole = {**body, "metadata": {"namespace": self.namespace, "name": name, **metadata}}
        self.plane.api.request("PATCH", url, whole, content="application/apply-patch+yaml")

    @property
    def marks(self) -> dict[str, Any]:
        """The marks that Helm puts on objects of the release."""
        return {
            "labels": {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/part-of": "llmd"},
            "annotations": {
                "meta.helm.sh/release-name": NAME,
                "meta.helm.sh/release-namespace": self.namespace,
            },
        }


@pytest.fixture(scope="module")
def doors(plane: Plane) -> tuple[Cluster, Helm]:
    helm = open_helm(kubeconfig=plane.kubeconfig, path=programs.find("helm4").path)
    return connect(kubeconfig=plane.kubeconfig), helm


@pytest.fixture
def place(plane: Plane, doors: tuple[Cluster, Helm], tmp_path: Path) -> Place:
    return Place(plane=plane, cluster=doors[0], helm=doors[1], namespace=plane.namespace("state"), folder=tmp_path)


@pytest.fixture(scope="module")
def untouched(plane: Plane, doors: tuple[Cluster, Helm], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A namespace into which nobody puts anything."""
    folder = tmp_path_factory.mktemp("untouched")
    namespace = plane.namespace("state")
    known = capture(doors[0], namespace=namespace, release=NAME, sections=SECTIONS - OF_THE_RECIPE, timeout_s=60)
    yield Place(
        plane=plane, cluster=doors[0], helm=doors[1], namespace=namespace, folder=folder, known=known
    )  # fmt: skip


@pytest.fixture(scope="module")
def installed(plane: Plane, doors: tuple[Cluster, Helm], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A namespace with a release for B200, which no other test wants."""
    folder = tmp_path_factory.mktemp("installed")
    made = Place(plane=plane, cluster=doors[0], helm=doors[1], namespace=plane.namespace("state"), folder=folder)
    recipe, *_ = rendered(NAME, made.namespace, frozen({"path": PATH, "accelerator": "b200"}))
    spec = build(recipe, name=NAME, namespace=made.namespace)
    install(spec, helm=made.helm, cluster=made.cluster, options=InstallOptions(wait=False, gate=open_gate))
    yield made
    plane.free(made.namespace)


def seen(result: CheckResult) -> list[str]:
    return [entry.object for entry in result.evidence]


@pytest.mark.parametrize("path", catalog().names("path"))
def test_a_clean_cluster_raises_none_of_them(untouched: Place, path: str) -> None:
    found = untouched.results(path)
    lacking = {code: said for (recipe, code), said in LACKING.items() if recipe == path}
    odd = set(untouched.bad_of(found)) | {code for code, result in found.items() if "simulated" in result.message}
    assert {code: found[code].message for code in odd - set(lacking)} == {}
    for code, (outcome, message) in lacking.items():
        assert found[code].outcome is outcome
        assert message in found[code].message


def test_a_release_that_is_there_raises_none_of_them(installed: Place) -> None:
    found = installed.results(accelerator="b200")
    assert {code: found[code].message for code in installed.bad_of(found)} == {}
    assert "was made by llmdctl, from recipe pd-disaggregation" in found["LD1503"].message
    assert "all of this release" in found["LD1504"].message
    assert found["LD1510"].outcome is Outcome.PASS
    assert found["LD1511"].message == f"Release {NAME} is made of the same facets."


def test_other_facets_under_the_same_name_are_named(installed: Place) -> None:
    found = installed.bad(accelerator="mi300x")
    assert set(found) == {"LD1511"}
    assert "accelerator from b200 to mi300x" in found["LD1511"].message


def test_a_release_left_pending_is_named(place: Place) -> None:
    command = [
        str(place.helm.engine.path), "install", NAME, str(CHART), "--namespace", place.namespace, "--kubeconfig",
        str(place.plane.kubeconfig), "--set", "hook=true",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as helm:
        try:
            wait("a pending release", lambda: "pending-install" in statuses(place))
        finally:
            helm.kill()
    found = place.bad()
    assert {"LD1501", "LD1503"} == set(found)
    assert f"Revision 1 of release {NAME} is pending-install" in found["LD1501"].message
    assert seen(found["LD1501"]) == [f"Secret/{place.namespace}/sh.helm.release.v1.{NAME}.v1"]
    assert f"$ helm uninstall {NAME} --namespace {place.namespace}" in found["LD1501"].remedy
    assert "is another chart's" in found["LD1503"].message


def statuses(place: Place) -> list[str]:
    items = place.plane.api.request("GET", SECRETS.url(namespace=place.namespace)).get("items", [])
    return [(item["metadata"].get("labels") or {}).get("status", "") for item in items]


def test_a_pool_of_somebody_else_that_takes_our_pods_is_named(place: Place) -> None:
    pool = {
        "apiVersion": "inference.networking.k8s.io/v1",
        "kind": "InferencePool",
        "spec": {
            "selector": {"matchLabels": {"llm-d.ai/engine-type": "vllm"}},
            "targetPorts": [{"number": 8000}],
            "endpointPickerRef": {"name": "theirs-epp", "port": {"number": 9002}},
        },
    }
    place.create(POOLS, pool, name="theirs")
    found = place.bad()
    assert set(found) == {"LD1508"}
    assert f"(InferencePool/{place.namespace}/theirs)" in found["LD1508"].message
    assert set(seen(found["LD1508"])) == {f"InferencePool/{place.namespace}/theirs"}


def test_an_object_of_another_manager_under_our_name_is_named(place: Place) -> None:
    place.create(
        SERVICES, {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}}, name=f"{NAME}-epp"
    )
    found = place.bad()
    assert set(found) == {"LD1504"}
    assert "belong to whoever used llmdctl-sandbox" in found["LD1504"].message
    assert seen(found["LD1504"]) == [f"Service/{place.namespace}/{NAME}-epp"]


def test_a_scaler_of_somebody_else_is_named(place: Place) -> None:
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": f"{NAME}-decode"},
            "maxReplicas": 4,
        },
    }
    place.create(SCALERS, scaler, name="theirs")
    found = place.bad()
    assert set(found) == {"LD1407"}
    assert f"HorizontalPodAutoscaler/{place.namespace}/theirs" in seen(found["LD1407"])


def test_what_a_removed_release_left_is_named(place: Place) -> None:
    marks = place.marks
    marks["annotations"]["meta.helm.sh/release-name"] = "gone"
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    place.create(CLAIMS, claim, name="weights", **marks)
    found = place.bad()
    assert set(found) == {"LD1506"}
    assert f"PersistentVolumeClaim/{place.namespace}/weights" in seen(found["LD1506"])


def test_an_object_that_is_being_removed_is_named(place: Place) -> None:
    url = ACCOUNTS.url(f"{NAME}-epp", namespace=place.namespace)
    body = {"apiVersion": "v1", "kind": "ServiceAccount"}
    place.create(ACCOUNTS, body, name=f"{NAME}-epp", finalizers=["example.com/held"], **place.marks)
    place.plane.api.request("DELETE", url)
    try:
        found = place.bad()
        assert set(found) == {"LD1507"}
        assert "finalizers hold them: example.com/held" in found["LD1507"].message
    finally:
        place.plane.api.request("PATCH", url, {"metadata": {"finalizers": None}}, content=MERGE)


def test_a_selector_that_cannot_change_is_named_as_the_server_would_refuse_it(place: Place) -> None:
    labels = {"app": "older-chart"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "c:1"}]}},
        },
    }
    place.apply_as_helm(DEPLOYMENTS, deployment, name=f"{NAME}-decode", **place.marks)
    found = place.bad()
    assert set(found) == {"LD1506", "LD1510"}, "there is no record of that release, so it is left over as well"
    assert f"spec.selector of Deployment/{place.namespace}/{NAME}-decode" in found["LD1510"].message
    said = load(place.folder / "inventory.yaml").section("dry-run").items
    refused = [entry for entry in said if entry["name"] == f"{NAME}-decode" and entry["kind"] == "Deployment"]
    assert [entry["outcome"] for entry in refused] == ["rejected"]
    assert "field is immutable" in refused[0]["message"]
