"""llmdctl/lint/data/<engine>-<version>.json: what an engine's own parser takes, in the form the linter reads.

    python tools/lint/parser_snapshot.py RECORDING.json > llmdctl/lint/data/vllm-0.32.0.json

A recording holds one row an option as argparse has it: flags, action, type (a function's name, or an annotation for
SGLang, whose parser is made from a dataclass), nargs, choices, default.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

SOURCES = {
    "vllm": "https://github.com/vllm-project/vllm, the actions of `vllm serve`'s parser, version {version}",
    "sglang": "https://github.com/sgl-project/sglang, the fields of ServerArgs, version {version}",
}
NUMBERS = {"int": "int", "float": "float", "human_readable_int": "size", "human_readable_int_or_auto": "size"}
OBJECTS = ("loads", "parse_dataclass")
SWITCHES = ("_StoreTrueAction", "_StoreFalseAction", "_HelpAction", "BooleanOptionalAction")


def kind(row: dict[str, Any]) -> str:
    """switch, int, size (`16k`, `auto`), float, json, many (any number of words), maybe (one word or none) or text."""
    if row.get("action") in SWITCHES or row.get("type") in ("bool", "Optional[bool]"):
        return "switch"  # SGLang has None where the engine decides; its documentation says "flag" of them all the same
    annotation = re.sub(r"^Optional\[(.*)\]$", r"\1", row.get("type") or "")
    if row.get("nargs") == "?":
        return "maybe"
    if row.get("nargs") in ("+", "*") or annotation.startswith(("List[", "Union[set", "Union[dict")):
        return "many"
    if annotation in OBJECTS:
        return "json"
    return NUMBERS.get(annotation, "text")


def choices(row: dict[str, Any]) -> list[str]:
    """The words it takes; none where any word will do, or where the recording has only the name of a list."""
    stated = row.get("choices")
    literal = re.fullmatch(r"(?:Optional\[)?Literal(\[.*?\])\]?", row.get("type") or "")
    if literal and not stated:
        stated = ast.literal_eval(literal.group(1))
    if not isinstance(stated, list):
        return []
    return sorted({str(word) for word in stated})


def main() -> int:
    """Write the snapshot to stdout, one option a line."""
    recording = json.loads(Path(sys.argv[1]).read_text())
    engine, version = recording["engine"], recording["version"]
    rows = []
    for row in recording["flags"]:
        if not row["flags"]:
            continue  # the model, which needs no flag
        entry: dict[str, Any] = {"names": row["flags"], "kind": kind(row)}
        if choices(row):
            entry["choices"] = choices(row)
        if row.get("action") == "_AppendAction":
            entry["repeats"] = True
        rows.append("  " + json.dumps(entry))
    head = {"engine": engine, "version": version, "source": SOURCES[engine].format(version=version)}
    lines = [f"{json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    print("{\n" + "\n".join(lines) + '\n"options": [\n' + ",\n".join(rows) + "\n]\n}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
