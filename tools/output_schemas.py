"""schemas/output/<Kind>.schema.json from the dataclasses that verbs answer with."""

from __future__ import annotations

import argparse
import json
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path

from llmdctl.cli import results
from llmdctl.cli.output import API_VERSION
from llmdctl.model.hop import Diagnosis
from llmdctl.model.release import ReleaseStatus
from llmdctl.sandbox import SandboxStatus

FOLDER = Path(__file__).resolve().parent.parent / "schemas" / "output"
DOCUMENTS = (
    results.RecipeList,
    results.RecipeCells,
    results.ModelFacet,
    results.Recipe,
    results.Validation,
    results.Explanation,
    results.Render,
    results.Install,
    ReleaseStatus,
    Diagnosis,
    results.Diff,
    results.Uninstall,
    results.Version,
    results.ReleaseList,
    results.Preflight,
    results.Verification,
    results.Lint,
    results.LintRules,
    results.InventorySummary,
    results.NodeList,
    SandboxStatus,
    results.SandboxDown,
    results.Prepared,
    results.SandboxImages,
    results.SandboxFaults,
    results.Error,
)
SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean", types.NoneType: "null", Path: "string"}


def document(kind: type) -> dict[str, object]:
    """The schema of one document: the dataclass with `apiVersion` and `kind` in front."""
    definitions: dict[str, object] = {}
    body = record(kind, definitions)
    properties = {"apiVersion": {"const": API_VERSION}, "kind": {"const": kind.__name__}, **body["properties"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind.__name__,
        "description": " ".join((kind.__doc__ or "").split()),
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": properties,
        "$defs": dict(sorted(definitions.items())),
    }


def record(kind: type, definitions: dict[str, object]) -> dict[str, typing.Any]:
    """An object with every field of a dataclass, all required."""
    hints = typing.get_type_hints(kind)
    properties = {field.name: schema(hints[field.name], definitions) for field in fields(kind)}
    return {"type": "object", "required": list(properties), "additionalProperties": False, "properties": properties}


def schema(hint: object, definitions: dict[str, object]) -> dict[str, object]:  # noqa: PLR0911 - one case a type
    """The schema of one type; dataclasses go to `definitions`."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is typing.Any:
        return {}
    if hint in SCALARS:
        return {"type": SCALARS[hint]}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [schema(argument, definitions) for argument in arguments]}
    if origin is tuple:
        return {"type": "array", "items": schema(arguments[0], definitions)}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": schema(arguments[1], definitions)}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    if is_dataclass(hint) and isinstance(hint, type):
        if hint.__name__ not in definitions:
            definitions[hint.__name__] = {}  # a class that holds itself finds this
            definitions[hint.__name__] = record(hint, definitions)
        return {"$ref": f"#/$defs/{hint.__name__}"}
    raise TypeError(f"no schema for {hint!r}")


def files() -> dict[Path, str]:
    """Every generated file with its text."""
    return {FOLDER / f"{kind.__name__}.schema.json": json.dumps(document(kind), indent=2) + "\n" for kind in DOCUMENTS}


def main() -> int:
    """Write, or with --check compare and name what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = [place for place, text in files().items() if not place.exists() or place.read_text() != text]
    for place in stale:
        if not check:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(files()[place])
        print(place.relative_to(FOLDER.parent.parent))
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
