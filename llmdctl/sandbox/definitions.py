"""Every CustomResourceDefinition that a sandbox loads, and which of them are only written from documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from llmdctl import programs

SOURCE = "llmdctl.dev/schema-source"  # annotation: where the fields of a CRD written by us are documented
_OWN = Path(__file__).parent / "crds"
_STAGES = Path(__file__).parent / "stages"


def from_modules(report: programs.Reporter = programs.silent) -> list[dict[str, Any]]:
    """The CRDs of the pinned Go modules. Raises ProgramError."""
    return programs.crds(report=report)


def written_from_documentation() -> list[dict[str, Any]]:
    """The CRDs of kinds that no Go module defines, by name; the annotation `SOURCE` says what each was written from."""
    found = [document for file in sorted(_OWN.glob("*.yaml")) for document in _documents(file)]
    return sorted(found, key=lambda crd: str(crd["metadata"]["name"]))


def stages() -> list[dict[str, Any]]:
    """The kwok Stages that every sandbox begins with."""
    return [document for file in sorted(_STAGES.glob("*.yaml")) for document in _documents(file)]


def _documents(file: Path) -> list[dict[str, Any]]:
    loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with file.open("rb") as stream:
        return [document for document in yaml.load_all(stream, Loader=loader) if document is not None]
