"""Every CustomResourceDefinition that a sandbox loads, and which of them are only written from documentation."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import Any

import yaml

from llmdctl import programs

SOURCE = "llmdctl.dev/schema-source"  # annotation: where the fields of a CRD written by us are documented
# Large, and of no use here: no facet emits one, and no prerequisite is recognized by one. Together they are two fifths
# of what the API server would have to digest at every start.
_LEFT_OUT = frozenset(
    {
        "alertmanagerconfigs.monitoring.coreos.com",
        "alertmanagers.monitoring.coreos.com",
        "prometheusagents.monitoring.coreos.com",
        "scrapeconfigs.monitoring.coreos.com",
        "thanosrulers.monitoring.coreos.com",
    }
)
_KWOK_KINDS = frozenset({"Stage", "Logs", "ClusterLogs"})
DOCUMENTED = "llmdctl.dev/written-from-documentation"  # label on each of those, for counting them in a cluster
_OWN = Path(__file__).parent / "crds"
_STAGES = Path(__file__).parent / "stages"


def from_modules(report: programs.Reporter = programs.silent) -> list[dict[str, Any]]:
    """The CRDs of the pinned Go modules, without the prose in their schemas. Raises ProgramError.

    Two thirds of these 8 MB are descriptions, which validate nothing and cost the API server seconds at every start.
    """
    return [_without_prose(crd) for crd in programs.crds(report=report) if _wanted(crd)]


def _wanted(crd: dict[str, Any]) -> bool:
    if crd["spec"]["group"] == "kwok.x-k8s.io":
        return crd["spec"]["names"]["kind"] in _KWOK_KINDS
    return crd["metadata"]["name"] not in _LEFT_OUT


def _without_prose(crd: dict[str, Any]) -> dict[str, Any]:
    versions = [
        version | {"schema": {"openAPIV3Schema": _bare(version["schema"]["openAPIV3Schema"])}}
        for version in crd["spec"]["versions"]
    ]
    return crd | {"spec": crd["spec"] | {"versions": versions}}


def _bare(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without `description`, at every place where a schema stands; a property of that name stays."""
    bare: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            bare[key] = {name: _bare(inner) for name, inner in value.items()}
        elif key in ("items", "additionalProperties", "not") and isinstance(value, dict):
            bare[key] = _bare(value)
        elif key in ("allOf", "anyOf", "oneOf"):
            bare[key] = [_bare(inner) for inner in value]
        elif key != "description":
            bare[key] = value
    return bare


def written_from_documentation() -> list[dict[str, Any]]:
    """The CRDs of kinds that no Go module defines, by name; the annotation `SOURCE` says what each was written from."""
    found = [document for file in sorted(_OWN.glob("*.yaml")) for document in _documents(file)]
    for crd in found:
        crd["metadata"]["labels"] = {DOCUMENTED: "true"}
    return sorted(found, key=lambda crd: str(crd["metadata"]["name"]))


def stages(without: Container[str] = ()) -> list[dict[str, Any]]:
    """The kwok Stages that a sandbox begins with; `without` are those whose part a real controller plays."""
    found = (document for file in sorted(_STAGES.glob("*.yaml")) for document in _documents(file))
    return [stage for stage in found if stage["metadata"]["name"] not in without]


def _documents(file: Path) -> list[dict[str, Any]]:
    loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with file.open("rb") as stream:
        return [document for document in yaml.load_all(stream, Loader=loader) if document is not None]
