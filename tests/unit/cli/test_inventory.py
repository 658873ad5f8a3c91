"""`llmdctl inventory`: what goes to stdout, what to stderr, and what is asked of nobody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from llmdctl import assets
from llmdctl.cli import main
from llmdctl.model.inventory import Inventory, Section, Seen
from llmdctl.model.inventory_file import dump, load
from tests import documents

NODE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {
        "name": "gpu-a",
        "labels": {
            "nvidia.com/gpu.product": "NVIDIA-H200", "nvidia.com/gpu.memory": "143771", "nvidia.com/gpu.count": "8",
        },
    },
    "spec": {},
    "status": {
        "allocatable": {"nvidia.com/gpu": "8", "cpu": "96", "memory": "1Ti", "pods": "110"},
        "capacity": {"nvidia.com/gpu": "8", "cpu": "96", "memory": "1Ti", "pods": "110"},
        "conditions": [{"type": "Ready", "status": "True"}],
    },
}  # fmt: skip
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "a"},
    "spec": {
        "nodeName": "gpu-a",
        "containers": [{"name": "c", "image": "i", "resources": {"limits": {"nvidia.com/gpu": "3"}}}],
    },
    "status": {"phase": "Running"},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """What kubectl printed."""
    place = tmp_path / "kubectl.json"
    place.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [NODE, POD]}))
    return place


def test_nodes_of_what_kubectl_printed(file: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["inventory", "nodes", "--inventory", str(file), "-o", "json"]) == 0
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    schema = json.loads((assets.schemas() / "output" / "NodeList.schema.json").read_text())
    jsonschema.validate(answer, schema, cls=jsonschema.Draft202012Validator)
    (node,) = answer["nodes"]
    expected = {
        "name": "gpu-a", "accelerator": "h200", "key": "nvidia.com/gpu.product", "memory_mib": 143771,
        "allocatable": 8, "requested": 3, "free": 5,
    }  # fmt: skip
    assert {key: node[key] for key in expected} == expected
    assert "pods: ok: the file holds pods of namespace a alone" in captured.err


@pytest.mark.parametrize("output", ["text", "yaml"])
def test_nodes_in_other_forms(file: Path, output: str, capsys: pytest.CaptureFixture[str]):
    assert main(["inventory", "nodes", "--inventory", str(file), "-o", output, "--quiet"]) == 0
    captured = capsys.readouterr()
    assert "h200" in captured.out
    assert captured.err == ""
    if output == "yaml":
        assert documents.load(captured.out)["nodes"][0]["free"] == 5


def test_without_pods_nobody_knows_what_is_free(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "nodes.json").write_text(json.dumps(NODE))
    assert main(["inventory", "nodes", "--inventory", str(tmp_path / "nodes.json"), "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["nodes"][0]["free"] is None


def test_a_file_without_nodes_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "pods.json").write_text(json.dumps(POD))
    assert main(["inventory", "nodes", "--inventory", str(tmp_path / "pods.json")]) == 2
    assert "does not say which nodes there are" in capsys.readouterr().err


def test_a_file_can_be_written_again_without_names(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    other = tmp_path / "shared.yaml"
    assert main(["inventory", "--inventory", str(file), "--redact", "--to", str(other)]) == 0
    assert f"{other} holds 2 of 2 sections, 1 nodes and 1 pods among them, without names." in capsys.readouterr().out
    taken = load(other)
    assert taken.redacted
    assert "gpu-a" not in other.read_text()
    assert taken.section("pods").items[0]["spec"]["nodeName"] == taken.section("nodes").items[0]["metadata"]["name"]


@pytest.mark.parametrize("output", ["text", "json", "yaml"])
def test_without_a_file_the_inventory_itself_goes_to_stdout(
    file: Path, output: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["inventory", "--inventory", str(file), "-o", output]) == 0
    document = documents.load(capsys.readouterr().out)
    schema = json.loads((assets.schemas() / "inventory.schema.json").read_text())
    jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator)


def test_what_was_not_read_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    sections = {
        "nodes": Section(seen=Seen.OK, items=(NODE,)),
        "pods": Section(seen=Seen.FORBIDDEN, reason="User me cannot list"),
        "kueue": Section(seen=Seen.NOT_SERVED, reason="the server does not have it"),
    }
    place = tmp_path / "taken.yaml"
    place.write_text(dump(Inventory(captured_at="2026-11-22T16:00:00Z", llmdctl="0.1.0", sections=sections)))
    assert main(["inventory", "--inventory", str(place), "--to", str(tmp_path / "again.yaml"), "-o", "json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == "pods: forbidden: User me cannot list\n"
    summary = json.loads(captured.out)
    schema = json.loads((assets.schemas() / "output" / "InventorySummary.schema.json").read_text())
    jsonschema.validate(summary, schema, cls=jsonschema.Draft202012Validator)
    assert summary["sections"][1] == {"name": "pods", "seen": "forbidden", "items": 0, "reason": "User me cannot list"}


def test_a_place_that_cannot_be_written_is_a_mistake(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["inventory", "--inventory", str(file), "--to", str(tmp_path / "none" / "x.yaml")]) == 2
    assert "Cannot write" in capsys.readouterr().err
