"""What holds for the objects of every release, whatever the values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from llmdctl.errors import LlmdctlError
from llmdctl.helm import open_renderer
from tests.unit.charts.cases import BASIC, CASES, EVERYTHING, LONGEST, SPLIT, at, containers, key, merged, pod_templates

CLUSTER_SCOPED = {"ClusterRole", "ClusterRoleBinding"}
every_case = pytest.mark.parametrize("values", CASES.values(), ids=CASES)


@every_case
def test_same_values_same_text(render, values) -> None:
    assert render(values) == render(values, engine=open_renderer())


@every_case
def test_an_object_is_rendered_once(render, values) -> None:
    twice = [name for name, count in Counter(map(key, render(values))).items() if count > 1]
    assert not twice


@every_case
def test_nothing_secret_is_rendered(render, values) -> None:
    objects = render(values)
    assert not [item for item in objects if item["kind"] == "Secret"]
    plain = [
        (where, entry["name"])
        for where, container in containers(objects)
        for entry in container.get("env", ())
        if "TOKEN" in entry["name"] and entry.get("value")
    ]
    assert not plain


@every_case
def test_names_in_a_container_are_unique(render, values) -> None:
    for where, container in containers(render(values)):
        for part, name in (
            ("env", "name"),
            ("ports", "name"),
            ("ports", "containerPort"),
            ("volumeMounts", "mountPath"),
        ):
            found = [entry[name] for entry in container.get(part, ()) if name in entry]
            assert len(found) == len(set(found)), f"{where}: {part} repeats {name}"


@every_case
def test_selectors_carry_identity_and_pods_no_version(render, values) -> None:
    for item in render(values):
        if item["kind"] == "Deployment":
            selector = item["spec"]["selector"]["matchLabels"]
            assert set(selector) == {f"app.kubernetes.io/{part}" for part in ("name", "instance", "component")}
    for name, template in pod_templates(render(values)).items():
        labels = template["metadata"]["labels"]
        assert "helm.sh/chart" not in labels, name
        assert "app.kubernetes.io/version" not in labels, name


@every_case
def test_a_service_of_a_release_selects_pods_of_it(render, values) -> None:
    """One that selects none has a name that is never resolved, and nothing else shows it."""
    objects = render(values)
    pods = [template["metadata"]["labels"].items() for template in pod_templates(objects).values()]
    for item in objects:
        selector = item["spec"].get("selector") if item["kind"] == "Service" else None
        assert not selector or any(selector.items() <= labels for labels in pods), key(item)


@every_case
def test_names_fit_at_the_longest_release_name(render, values) -> None:
    namespace = "n" * 63
    for item in render(values, name=LONGEST, namespace=namespace):
        # A LeaderWorkerSet's StatefulSet puts "<name>-<10 characters>" into a label.
        limit = 52 if item["kind"] == "LeaderWorkerSet" else 63
        assert len(item["metadata"]["name"]) <= limit, key(item)
        for label, value in item["metadata"].get("labels", {}).items():
            assert len(value) <= 63, (key(item), label)


@every_case
def test_two_releases_share_nothing_in_a_namespace(render, values) -> None:
    ours, theirs = render(values, name="one"), render(values, name="two")
    assert not {key(item) for item in ours} & {key(item) for item in theirs}
    one, two = (_pod_labels(objects) for objects in (ours, theirs))
    for selector in _selectors(ours):
        assert not [labels for labels in two if selector.items() <= labels.items()], selector
    assert one


def _pod_labels(objects: Any) -> list[dict[str, str]]:
    return [template["metadata"]["labels"] for template in pod_templates(objects).values()]


def _selectors(objects: Any) -> Iterator[dict[str, str]]:
    """Every way in which an object chooses pods of its release by labels."""
    for item in objects:
        spec = item.get("spec", {})
        selector = spec.get("podSelector") or spec.get("selector") or {}
        labels = selector.get("matchLabels", selector)
        if labels:
            yield labels


@every_case
def test_one_name_in_two_namespaces_shares_no_cluster_object(render, values) -> None:
    clusters = [
        {key(item) for item in render(values, namespace=namespace) if item["kind"] in CLUSTER_SCOPED}
        for namespace in ("a", "b")
    ]
    assert clusters[0]
    assert not clusters[0] & clusters[1]


@every_case
def test_the_owner_of_one_namespace_needs_nothing_else(render, values) -> None:
    objects = render(merged(values, at("global.llmd.namespaceOnly", True)))
    assert not [item for item in objects if item["kind"] in CLUSTER_SCOPED]
    assert all(item["metadata"].get("namespace") == "models" for item in objects)


def test_a_namespaced_object_names_its_namespace(render) -> None:
    for item in render(EVERYTHING):
        assert (item["metadata"].get("namespace") == "models") == (item["kind"] not in CLUSTER_SCOPED), key(item)


def test_an_autoscaled_role_has_no_replicas(render) -> None:
    counts = {
        item["metadata"]["name"]: "replicas" in item["spec"]
        for item in render(EVERYTHING)
        if "prefill" in str(key(item)) and item["kind"] == "Deployment"
    }
    assert counts == {"pd-prefill": False}


def test_a_part_that_is_off_renders_nothing(render) -> None:
    names = {item["metadata"]["labels"]["app.kubernetes.io/name"] for item in render(BASIC)}
    assert names == {"scheduler", "modelserver"}
    for part in ("scheduler", "modelserver"):
        rest = render(merged(BASIC, at(f"{part}.enabled", False)))
        assert part not in {item["metadata"]["labels"]["app.kubernetes.io/name"] for item in rest}


def test_fail_open_leads_only_to_pods_that_serve_whole_requests(render) -> None:
    services = {item["metadata"]["name"]: item for item in render(SPLIT) if item["kind"] == "Service"}
    selector = services["pd-fallback"]["spec"]["selector"]
    chosen = [
        name
        for name, template in pod_templates(render(SPLIT)).items()
        if selector.items() <= template["metadata"]["labels"].items()
    ]
    assert chosen == ["pd-decode"]


def test_the_pool_selects_exactly_the_engines(render) -> None:
    for values in (BASIC, SPLIT):
        objects = render(values)
        pool = next(item for item in objects if item["kind"] == "InferencePool")
        chosen = {
            name
            for name, template in pod_templates(objects).items()
            if pool["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
        }
        assert chosen == set(pod_templates(objects)) - {"pd-epp"}


def test_ports_of_the_pool_are_ports_of_the_pods(render) -> None:
    """The endpoint picker drops pods, without a word, whose container ports lack a target port."""
    for values in (BASIC, SPLIT, merged(BASIC, at("global.llmd.ports.serving", 8100))):
        objects = render(values)
        targets = {
            port["number"]
            for item in objects
            if item["kind"] == "InferencePool"
            for port in item["spec"]["targetPorts"]
        }
        for name, template in pod_templates(objects).items():
            if name == "pd-epp":
                continue
            spec = template["spec"]
            offered = {
                port["containerPort"]
                for container in (*spec.get("initContainers", ()), *spec["containers"])
                for port in container.get("ports", ())
            }
            assert targets <= offered, name


@pytest.mark.parametrize("empty", [{}, {"global": {}}])
def test_empty_values_fail_with_the_keys_to_set(render, empty) -> None:
    with pytest.raises(LlmdctlError) as caught:
        render(empty)
    said = str(caught.value) + str(getattr(caught.value, "problems", ""))
    assert "global.llmd.model.id" in said
    assert "global.llmd.roles" in said
