"""Writes charts/*/values.schema.json from the commented values.yaml of each chart.

    python tools/charts/schema.py [--check] [CHART ...]

A key's schema follows from its default: a mapping is a closed object, a scalar has its type. What a default
cannot say stands in the comment above the key, as ``# @schema {...}``:

    {ref: env}                  a definition of tools/charts/definitions.yaml
    {mapOf: toleration}         a map of names to that definition; a null entry means absent
    {mapOf: roleSpec, keys: [prefill, decode]}   the same with these names only
    {overrides: roleDefaults, keys: [prefill, decode]}
                                a map with these keys; each value may hold any part of that sibling block
    {open: true}                keys of this mapping are not closed (a subchart validates them itself)
    {optional: true}            the key may be absent or null
    {enum: [...], minimum: 1, pattern: "..."}   any keyword of JSON Schema, added to the inferred schema

Numbers, booleans, filled strings and closed objects are required, so that a null in a user's file is refused
by path; empty strings, maps and lists may be null, which means empty.

The block between ``# >>> global`` and ``# <<< global`` in each values.yaml is written from
tools/charts/global.yaml first. ``--check`` writes nothing and exits 1 where something would change.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import values
import yaml

HERE = Path(__file__).resolve().parent
OPEN_MARK, CLOSE_MARK = "# >>> global", "# <<< global"
DIRECTIVES = ("ref", "mapOf", "overrides", "keys", "open", "optional")
Schema = dict[str, Any]


def global_block(text: str) -> str:
    """The values file with its global block replaced by the one of tools/charts/global.yaml."""
    if OPEN_MARK not in text:
        return text
    head, rest = text.split(OPEN_MARK, 1)
    tail = rest.split(CLOSE_MARK, 1)[1]
    first_line = f"{OPEN_MARK}: written by tools/charts/schema.py from tools/charts/global.yaml"
    body = (HERE / "global.yaml").read_text(encoding="utf-8").rstrip()
    return f"{head}{first_line}\n{body}\n{CLOSE_MARK}{tail}"


def chart_schema(chart: Path) -> Schema:
    """The schema of one chart, self-contained (no reference leaves the file)."""
    entries = values.read(chart / "values.yaml")
    metadata = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    schema = _closed(entries)
    for dependency in metadata.get("dependencies", []):
        # Helm puts a mapping (with global) under the name of every dependency, libraries included.
        schema["properties"].setdefault(dependency["name"], {"type": "object"})
    schema["properties"] = dict(sorted(schema["properties"].items()))
    shared: dict[str, Schema] = {}
    for file in sorted(HERE.glob("definitions*.yaml")):
        shared |= yaml.safe_load(file.read_text(encoding="utf-8"))
    definitions = _used(schema, shared | _partials(entries))
    header = {"$schema": "http://json-schema.org/draft-07/schema#", "title": f"Values of the chart {metadata['name']}"}
    return {**header, **schema, **({"definitions": definitions} if definitions else {})}


def _partials(entries: tuple[values.Entry, ...]) -> dict[str, Schema]:
    """For every {overrides: X}: the schema of any part of the block X."""
    top = {entry.path[-1]: entry for entry in entries}
    return {
        _partial_name(entry): _nullable(_closed(top[entry.annotation["overrides"]].children, partial=True))
        for entry in entries
        if "overrides" in entry.annotation
    }


def _partial_name(entry: values.Entry) -> str:
    return f"partOf-{entry.annotation['overrides']}"


def _closed(entries: tuple[values.Entry, ...], *, partial: bool = False) -> Schema:
    properties = {entry.path[-1]: _entry(entry, partial=partial) for entry in entries}
    required = sorted(entry.path[-1] for entry in entries if _is_required(entry))
    schema: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return schema | ({"required": required} if required and not partial else {})


def _entry(entry: values.Entry, *, partial: bool) -> Schema:
    directives = {key: value for key, value in entry.annotation.items() if key in DIRECTIVES}
    keywords = {key: value for key, value in entry.annotation.items() if key not in DIRECTIVES}
    if "overrides" in directives:
        names = {name: {"$ref": f"#/definitions/{_partial_name(entry)}"} for name in directives["keys"]}
        return {"type": "object", "additionalProperties": False, "properties": names} | keywords
    if "ref" in directives:
        return {"$ref": f"#/definitions/{directives['ref']}"} | keywords
    if "mapOf" in directives:
        value = {"anyOf": [{"$ref": f"#/definitions/{directives['mapOf']}"}, {"type": "null"}]}
        if "keys" in directives:
            properties = dict.fromkeys(directives["keys"], value)
            return {"type": ["object", "null"], "additionalProperties": False, "properties": properties} | keywords
        return {"type": ["object", "null"], "additionalProperties": value} | keywords
    inferred = _infer(entry, open_=bool(directives.get("open")), partial=partial)
    optional = not _is_required(entry)
    if optional and "enum" in keywords:
        keywords["enum"] = [*keywords["enum"], None]
    return (_nullable(inferred) if optional else inferred) | keywords


def _infer(entry: values.Entry, *, open_: bool, partial: bool) -> Schema:
    default = entry.default
    if isinstance(default, bool):
        return {"type": "boolean"}
    if isinstance(default, int):
        return {"type": "integer"}
    if isinstance(default, float):
        return {"type": "number"}
    if isinstance(default, str):
        return {"type": "string"}
    if isinstance(default, list) and default and all(isinstance(item, str) for item in default):
        return {"type": "array", "items": {"type": "string"}}
    if isinstance(default, dict) and (entry.children or open_):
        schema = _closed(entry.children, partial=partial)
        if open_:
            schema["additionalProperties"] = True
        return schema
    raise values.ValuesError(f"line {entry.line}: {entry.dotted}: its default {default!r} says no type; add @schema")


def _is_required(entry: values.Entry) -> bool:
    if entry.annotation.get("optional"):
        return False
    if isinstance(entry.default, bool | int | float):
        return True
    if isinstance(entry.default, str):
        return entry.default != ""
    return bool(entry.children)


def _nullable(schema: Schema) -> Schema:
    kind = schema.get("type")
    return schema | {"type": [kind, "null"]} if isinstance(kind, str) else schema


def _used(schema: Schema, definitions: Mapping[str, Schema]) -> dict[str, Schema]:
    """The definitions that a schema refers to, and those that they refer to."""
    names: set[str] = set()
    pending: list[Any] = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            reference = node.get("$ref")
            if isinstance(reference, str):
                name = reference.removeprefix("#/definitions/")
                if name not in definitions:
                    raise values.ValuesError(f"no definition {name!r} in tools/charts/definitions.yaml")
                if name not in names:
                    names.add(name)
                    pending.append(definitions[name])
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)
    return {name: definitions[name] for name in sorted(names)}


def _write(path: Path, text: str, *, check: bool) -> bool:
    """Whether the file differed. Writes it unless only checking."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    if check:
        print(f"{path.relative_to(values.ROOT)} is out of date: run python tools/charts/schema.py", file=sys.stderr)
    else:
        path.write_text(text, encoding="utf-8")
    return True


def update(chart: Path, *, check: bool) -> bool:
    """Brings one chart's global block and schema up to date; whether anything differed."""
    source = chart / "values.yaml"
    changed = _write(source, global_block(source.read_text(encoding="utf-8")), check=check)
    if not values.read(source):
        return changed
    text = json.dumps(chart_schema(chart), indent=2, sort_keys=False) + "\n"
    return _write(chart / "values.schema.json", text, check=check) or changed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where something would change")
    parser.add_argument("charts", nargs="*", help="names under charts/ (default: all)")
    options = parser.parse_args()
    names = options.charts or sorted(path.parent.name for path in values.CHARTS.glob("*/Chart.yaml"))
    try:
        changed = [update(values.CHARTS / name, check=options.check) for name in names]
    except values.ValuesError as error:
        print(error, file=sys.stderr)
        return 2
    return int(options.check and any(changed))


if __name__ == "__main__":
    sys.exit(main())
