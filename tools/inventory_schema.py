"""schemas/inventory.schema.json from the sections that an inventory can have."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from llmdctl.model.inventory import Seen
from llmdctl.model.inventory_file import API_VERSION, KIND
from llmdctl.model.sections import OBJECTS, QUESTIONS

PLACE = Path(__file__).resolve().parent.parent / "schemas" / "inventory.schema.json"
TEXT = {"type": "string"}
TEXTS = {"type": "object", "additionalProperties": TEXT}
OBJECT = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata"],
    "properties": {
        "apiVersion": TEXT,
        "kind": TEXT,
        "metadata": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": TEXT, "namespace": TEXT, "labels": TEXTS, "annotations": TEXTS},
        },
        "data": False,
        "stringData": False,
    },
}


def schema() -> dict[str, Any]:
    """The schema of the file that `llmdctl inventory` writes."""
    sections: dict[str, Any] = {
        name: {"$ref": "#/$defs/answers", "description": said} for name, said in QUESTIONS.items()
    }
    sections |= {name: {"$ref": "#/$defs/objects"} for name in OBJECTS}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": KIND,
        "description": "A cluster as llmdctl inventory saw it: sections of trimmed objects, each with its own outcome.",
        "type": "object",
        "required": ["apiVersion", "kind", "sections"],
        "additionalProperties": False,
        "properties": {
            "apiVersion": {"const": API_VERSION},
            "kind": {"const": KIND},
            "capturedAt": {**TEXT, "description": "RFC 3339, UTC."},
            "llmdctl": {**TEXT, "description": "The version that captured it."},
            "server": {**TEXT, "description": "The address of the API server; empty when redacted."},
            "context": {**TEXT, "description": "The context of the kubeconfig; empty when redacted."},
            "redacted": {"type": "boolean", "description": "Whether names are pseudonyms."},
            "sections": {"type": "object", "additionalProperties": False, "properties": sections},
        },
        "$defs": {
            "answers": section({"type": "object"}),
            "objects": section({"$ref": "#/$defs/object"}),
            "object": OBJECT,
        },
    }


def section(item: dict[str, Any]) -> dict[str, Any]:
    """A section whose items are like `item`."""
    return {
        "type": "object",
        "required": ["seen"],
        "additionalProperties": False,
        "properties": {
            "seen": {
                "enum": [seen.value for seen in Seen],
                "description": "How reading it went. Of ok and not-served alone, what is not there does not exist.",
            },
            "reason": {**TEXT, "description": "In words, for every outcome but ok, and where ok does not mean all."},
            "namespace": {**TEXT, "description": "Only this namespace was read."},
            "seconds": {"type": "number", "minimum": 0, "description": "That reading it took."},
            "items": {"type": ["array", "null"], "items": item},
        },
    }


def main() -> int:
    """Write, or with --check compare and name what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    text = json.dumps(schema(), indent=2) + "\n"
    stale = not PLACE.exists() or PLACE.read_text() != text
    if stale:
        print(PLACE.relative_to(PLACE.parent.parent))
    if stale and not check:
        PLACE.write_text(text)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
