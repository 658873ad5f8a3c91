"""The Stages and CRDs of our own are what their readers take."""

from __future__ import annotations

import re
from typing import Any

import pytest

from llmdctl.sandbox.definitions import DOCUMENTED, SOURCE, _bare, stages, written_from_documentation
from llmdctl.sandbox.fault_stages import Fault, FaultKind
from llmdctl.sandbox.fault_stages import stages as fault_stages
from tests import documents

FAULTS = [
    Fault(name="crash-loop-1", kind=FaultKind.CRASH_LOOP, namespace="a", container="main", log=("x",)),
    Fault(name="image-pull-1", kind=FaultKind.IMAGE_PULL, labels={"app": "web"}),
    Fault(name="node-not-ready-1", kind=FaultKind.NODE_NOT_READY, node="cpu-0"),
]
ORDINARY = stages()
OF_FAULTS = [stage for fault in FAULTS for stage in fault_stages(fault, "/tmp/x.log")]
OWN = written_from_documentation()


def name(item: dict[str, Any]) -> str:
    return str(item["metadata"]["name"])


def filled(template: str) -> Any:
    """The template with every Go action taken away, read as YAML: an action's own text stands for its value."""
    alone = re.sub(r"^\s*(\{\{.*?\}\}\s*)+$", "", template, flags=re.MULTILINE)
    return documents.load(re.sub(r"\{\{.*?\}\}", "value", alone, flags=re.DOTALL))


@pytest.mark.parametrize("stage", ORDINARY + OF_FAULTS, ids=name)
def test_a_stage_is_whole(stage):
    assert stage["kind"] == "Stage"
    assert stage["spec"]["selector"]["matchExpressions"]
    for expression in stage["spec"]["selector"]["matchExpressions"]:
        query = expression["jq"]
        assert bool(query.get("values")) == (query["operator"] in ("In", "NotIn"))
    for step in stage["spec"]["steps"]:
        template = step.get("patch", step.get("apply", {})).get("template")
        if template is not None:
            assert template.count("{{") == len(re.findall(r"\{\{ .*? \}\}", template, re.DOTALL))
            assert template.count("{{ end }}") == len(re.findall(r"\{\{ (?:if|range|with) ", template))
            assert "@" not in template
            assert isinstance(filled(template), dict)


def test_a_fault_wins_over_every_ordinary_stage():
    assert {stage["spec"].get("weight", 0) for stage in ORDINARY} == {0}
    assert all(stage["spec"]["weight"] > 0 for stage in OF_FAULTS)


def test_no_stage_adds_pod_addresses_again():
    for stage in ORDINARY + OF_FAULTS:
        for step in stage["spec"]["steps"]:
            template = step.get("patch", {}).get("template", "")
            assert "podIPs" not in template
            if "podIP:" in template:
                assert "if not .status.podIP" in template


@pytest.mark.parametrize("crd", OWN, ids=name)
def test_a_crd_of_ours_says_where_it_comes_from(crd):
    assert crd["metadata"]["annotations"][SOURCE].startswith("https://")
    assert crd["metadata"]["labels"] == {DOCUMENTED: "true"}
    assert name(crd) == f"{crd['spec']['names']['plural']}.{crd['spec']['group']}"


def nodes(schema: dict[str, Any], path: str = "") -> Any:
    yield path, schema
    for key, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{key}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from nodes(schema["additionalProperties"], f"{path}.*")


@pytest.mark.parametrize("crd", OWN, ids=name)
def test_a_crd_of_ours_is_structural_and_its_specification_closed(crd):
    for version in crd["spec"]["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        assert "x-kubernetes-preserve-unknown-fields" not in schema["properties"]["spec"]
        for path, node in nodes(schema):
            assert node.get("type") or node.get("x-kubernetes-int-or-string"), path
            if node.get("type") == "object" and path:
                known = {"properties", "additionalProperties", "x-kubernetes-preserve-unknown-fields"}
                assert known & set(node), f"{path} says nothing of its fields"
            for field in node.get("required", []):
                assert field in node["properties"], f"{path} requires an unknown {field}"


def test_prose_goes_and_a_property_named_description_stays():
    schema = {
        "description": "prose",
        "properties": {"description": {"type": "string", "description": "prose"}},
        "items": {"anyOf": [{"description": "prose", "pattern": "x"}]},
    }
    assert _bare(schema) == {
        "properties": {"description": {"type": "string"}},
        "items": {"anyOf": [{"pattern": "x"}]},
    }
