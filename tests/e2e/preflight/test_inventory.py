"""Capturing a real control plane: what is there is in the file, and of a Secret nothing but its name and type."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from llmdctl import assets
from llmdctl.cli import main
from llmdctl.kube import Cluster, capture, connect
from llmdctl.model.inventory import Inventory, Seen
from llmdctl.model.inventory_file import document, dump, load, redact
from tests.e2e.conftest import NODES, Plane
from tests.e2e.sandbox.objects import ACCOUNTS, BINDINGS, CONFIG_MAPS, PODS, ROLES, SECRETS, wait
from tests.unit.preflight.cases import LOADER

pytestmark = pytest.mark.e2e

DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
MARKER = "the-value-of-a-secret"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RBAC = "rbac.authorization.k8s.io"
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@pytest.fixture(scope="module")
def cluster(plane: Plane) -> Cluster:
    return connect(kubeconfig=plane.kubeconfig)


@pytest.fixture(scope="module")
def namespace(plane: Plane) -> str:
    """A namespace with a Secret and a ConfigMap, applied as kubectl applies them, and a pod."""
    name = plane.namespace("inventory")
    value = base64.b64encode(MARKER.encode()).decode()
    for resource, kind, data in ((SECRETS, "Secret", value), (CONFIG_MAPS, "ConfigMap", MARKER)):
        metadata = {"name": "marked", "annotations": {APPLIED: json.dumps({"data": {"key": data}})}}
        body = {"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": {"key": data}}
        plane.api.create(resource.url(namespace=name), body)
    _account(plane, name, "default")
    container = {
        "name": "main",
        "image": "registry.example/main:v1",
        "env": [{"name": "PASSWORD", "value": MARKER}],
        "resources": {"requests": {"cpu": "1"}},
    }
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "worker"},
        "spec": {"containers": [container], "nodeSelector": {"nowhere": "true"}, "automountServiceAccountToken": False},
    }  # fmt: skip
    plane.api.create(PODS.url(namespace=name), pod)
    return name


@pytest.fixture(scope="module")
def taken(cluster: Cluster, namespace: str) -> Inventory:
    return capture(cluster, namespace=namespace, timeout_s=60)


def names(inventory: Inventory, section: str) -> set[str]:
    return {str(item["metadata"]["name"]) for item in inventory.section(section).items}


def test_what_is_there_is_in_it(taken: Inventory, plane: Plane, namespace: str):
    assert all(found.seen in (Seen.OK, Seen.NOT_SERVED, Seen.ABSENT) for found in taken.sections.values())
    assert len(taken.section("nodes").items) == sum(NODES.values())
    assert names(taken, "crds") == {item["metadata"]["name"] for item in plane.api.items(CRDS)}
    assert namespace in names(taken, "namespaces")
    (pod,) = [item for item in taken.section("pods").items if item["metadata"]["namespace"] == namespace]
    assert pod["spec"]["containers"] == [
        {"name": "main", "image": "registry.example/main:v1", "resources": {"requests": {"cpu": "1"}}}
    ]
    assert taken.section("version").items[0]["gitVersion"].startswith("v1.34.")
    assert taken.section("identity").items[0]["username"] == "llmdctl:admin"
    kinds = {(item["apiVersion"], item["kind"]) for item in taken.section("apis").items}
    assert {("v1", "Node"), ("apps/v1", "Deployment"), ("resource.k8s.io/v1", "ResourceSlice")} <= kinds


def test_of_secrets_there_is_nothing_but_name_and_type(taken: Inventory, namespace: str):
    (secret,) = [item for item in taken.section("secrets").items if item["metadata"]["name"] == "marked"]
    assert secret == {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "marked", "namespace": namespace}, "type": "Opaque",
    }  # fmt: skip
    text = dump(taken)
    assert "marked" in text
    for hidden in (MARKER, base64.b64encode(MARKER.encode()).decode(), "last-applied"):
        assert hidden not in text


def test_the_file_fits_its_schema_and_gives_the_same_again(taken: Inventory, tmp_path: Path):
    file = tmp_path / "inventory.yaml"
    file.write_text(dump(taken), encoding="utf-8")
    assert load(file) == taken
    schema = json.loads((assets.schemas() / "inventory.schema.json").read_text())
    jsonschema.validate(document(taken), schema, cls=jsonschema.Draft202012Validator)


def test_the_command_line_writes_what_it_replays(plane: Plane, namespace: str, tmp_path: Path, capsys: Any):
    file, kubeconfig = tmp_path / "inventory.yaml", ["--kubeconfig", str(plane.kubeconfig)]
    assert main(["inventory", "--to", str(file), "-n", namespace, *kubeconfig, "-o", "json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["kind"] == "InventorySummary"
    assert {entry["name"]: entry["items"] for entry in summary["sections"]}["nodes"] == sum(NODES.values())
    assert load(file).context == plane.context

    def nodes(*words: str) -> list[dict[str, Any]]:
        assert main(["inventory", "nodes", *words, "-o", "json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        schema = json.loads((assets.schemas() / "output" / "NodeList.schema.json").read_text())
        jsonschema.validate(answer, schema, cls=jsonschema.Draft202012Validator)
        return list(answer["nodes"])

    stored = nodes("--inventory", str(file))
    assert stored == nodes("--inventory", str(file))
    h200 = [node for node in stored if node["accelerator"] == "h200"]
    assert len(h200) == NODES["h200"]
    assert {(node["memory_mib"], node["allocatable"]) for node in h200} == {(143771, 8)}
    assert {node["name"] for node in nodes(*kubeconfig)} == {node["name"] for node in stored}


def test_what_kubectl_prints_gives_the_same_nodes(plane: Plane, taken: Inventory, tmp_path: Path, capsys: Any):
    printed = {"apiVersion": "v1", "kind": "List", "items": []}
    for path, kind in (("/api/v1/nodes", "Node"), ("/api/v1/pods", "Pod")):
        printed["items"] += [{"apiVersion": "v1", "kind": kind, **item} for item in plane.api.items(path)]  # type: ignore[operator]
    files = {"ours": dump(taken), "json": json.dumps(printed), "yaml": yaml.dump(printed, Dumper=DUMPER)}
    answers = []
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        assert main(["inventory", "nodes", "--inventory", str(tmp_path / name), "-o", "json"]) == 0
        nodes = json.loads(capsys.readouterr().out)["nodes"]
        answers.append([(node["name"], node["accelerator"], node["memory_mib"], node["allocatable"]) for node in nodes])
    assert sorted(answers[0]) == sorted(answers[1]) == sorted(answers[2])


def test_redacted_it_names_no_node_and_no_namespace(taken: Inventory, plane: Plane, namespace: str):
    shown = redact(replace(taken, context=plane.context))
    text = dump(shown)
    for name in (*names(taken, "nodes"), namespace, plane.context, "llmdctl:admin", plane.status.server):
        assert f'"{name}"' not in text
    found = {node["metadata"]["labels"].get("nvidia.com/gpu.product") for node in shown.section("nodes").items}
    assert "NVIDIA-H200" in found
    assert {pod["spec"]["nodeName"] for pod in shown.section("pods").items if "nodeName" in pod["spec"]} <= {
        node["metadata"]["name"] for node in shown.section("nodes").items
    }


def test_an_identity_with_few_rights_gets_forbidden_sections(plane: Plane, namespace: str, tmp_path: Path):
    rules = [{"apiGroups": [""], "resources": ["pods", "resourcequotas"], "verbs": ["list"]}]
    few = connect(kubeconfig=_few_rights(plane, namespace, rules, tmp_path))
    quota = {
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": namespace},
        "spec": {"hard": {"pods": "1"}},
    }  # fmt: skip
    found = capture(few, objects=[quota], namespace=namespace, release="r", timeout_s=60)
    assert found.section("nodes").seen is Seen.FORBIDDEN
    assert 'cannot list resource "nodes"' in found.section("nodes").reason
    assert found.section("crds").seen is Seen.FORBIDDEN
    assert found.section("secrets").seen is Seen.FORBIDDEN
    pods, quotas = found.section("pods"), found.section("resource-quotas")
    assert (pods.seen, names(found, "pods"), pods.namespace) == (Seen.FORBIDDEN, {"worker"}, namespace)
    assert (quotas.seen, quotas.namespace) == (Seen.OK, namespace)
    assert found.section("identity").items[0]["username"] == f"system:serviceaccount:{namespace}:few"
    assert {item["allowed"] for item in found.section("access").items if item["resource"] == "resourcequotas"} == {
        False
    }
    (tried,) = found.section("dry-run").items
    assert (tried["outcome"], tried["code"]) == ("forbidden", 403)
    assert found.section("live").seen is Seen.FORBIDDEN


def test_a_dry_run_changes_nothing_and_says_what_the_server_says(cluster: Cluster, plane: Plane, namespace: str):
    def quota(name: str, hard: Mapping[str, str]) -> dict[str, Any]:
        metadata = {"name": name, "namespace": namespace}
        return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}}

    there = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "marked", "namespace": namespace}}
    strange = {"apiVersion": "example.com/v1", "kind": "Strange", "metadata": {"name": "s", "namespace": namespace}}
    objects = [quota("good", {"pods": "1"}), quota("bad", {"pods": "many"}), there, strange]
    found = capture(cluster, objects=objects, namespace=namespace, release="r", timeout_s=60)
    outcomes = {item["name"]: item["outcome"] for item in found.section("dry-run").items}
    assert outcomes == {"good": "accepted", "bad": "rejected", "marked": "accepted", "s": "not-served"}
    (live,) = found.section("live").items
    assert live["metadata"]["name"] == "marked"
    assert MARKER not in json.dumps([dict(live), *map(dict, found.section("dry-run").items)])
    assert plane.api.items(f"/api/v1/namespaces/{namespace}/resourcequotas") == []


def test_a_namespace_that_is_not_there_is_tried_in_another(cluster: Cluster):
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new", "namespace": "not-there-yet"}}
    found = capture(cluster, objects=[obj], namespace="not-there-yet", release="r", timeout_s=60)
    (tried,) = found.section("dry-run").items
    assert (tried["outcome"], tried["namespace"], tried["triedIn"]) == ("accepted", "not-there-yet", "default")
    assert "not-there-yet" not in names(found, "namespaces")


def _account(plane: Plane, namespace: str, name: str) -> None:
    """A service account; that named default is the controller's to make, and a pod needs it."""
    if name != "default":
        plane.api.create(
            ACCOUNTS.url(namespace=namespace),
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}},
        )
        return
    url = ACCOUNTS.url(namespace=namespace)
    wait("a default service account", lambda: any(item["metadata"]["name"] == name for item in plane.api.items(url)))


def _few_rights(plane: Plane, namespace: str, rules: list[dict[str, Any]], folder: Path) -> Path:
    """The kubeconfig of a service account with these rules in its namespace."""
    _account(plane, namespace, "few")
    metadata = {"name": "few"}
    plane.api.create(
        ROLES.url(namespace=namespace),
        {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
    )
    binding = {
        "apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "few"},
        "subjects": [{"kind": "ServiceAccount", "name": "few", "namespace": namespace}],
    }  # fmt: skip
    plane.api.create(BINDINGS.url(namespace=namespace), binding)
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    url = ACCOUNTS.url("few", namespace=namespace, subresource="token")
    token = plane.api.request("POST", url, asked)["status"]["token"]
    config = yaml.safe_load(plane.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    file = folder / "few"
    file.write_text(yaml.safe_dump(config))
    return file


def test_a_capture_from_a_fresh_process_writes_yaml_to_stdout(plane: Plane, tmp_path: Path):
    command = ["-m", "llmdctl", "inventory", "--redact", "--quiet", "--kubeconfig", str(plane.kubeconfig)]
    done = subprocess.run([sys.executable, *command], check=True, capture_output=True, text=True)
    read = yaml.load(done.stdout, Loader=LOADER)
    assert (read["kind"], read["redacted"], read["server"]) == ("Inventory", True, "")
    assert done.stderr == ""
