"""The inventory as a file: one line an item, so that it is quick to read, and still plain YAML.

    apiVersion: llmdctl.dev/v1
    kind: Inventory
    capturedAt: "2026-11-22T16:00:00Z"
    llmdctl: "0.1.0"
    server: "https://10.0.0.1"
    context: ""
    redacted: false
    sections:
      nodes:
        seen: "ok"
        seconds: 0.4
        items:
        - {"apiVersion": "v1", "kind": "Node", ...}

What kubectl prints is read too: see `kubectl_output`. The schema is schemas/inventory.schema.json.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from llmdctl.errors import Problem, UsageError
from llmdctl.model import yaml_text
from llmdctl.model.collecting import uncollected
from llmdctl.model.inventory import Inventory, Section, Seen
from llmdctl.model.kubectl_output import gathered
from llmdctl.model.redaction import redact
from llmdctl.model.sections import NAMES, OBJECTS
from llmdctl.model.yaml_text import Path as KeyPath
from llmdctl.model.yaml_text import Text, UnreadableTextError

__all__ = ["document", "dump", "lines", "load", "parse", "redact"]

API_VERSION: Final = "llmdctl.dev/v1"
KIND: Final = "Inventory"
_HEAD: Final = {"capturedAt": str, "llmdctl": str, "server": str, "context": str, "redacted": bool}
_SECTION: Final[dict[str, type | tuple[type, ...]]] = {
    "seen": str,
    "reason": str,
    "seconds": (int, float),
    "namespace": str,
    "items": list,
}
_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "access": ("verb", "group", "resource", "namespace", "name", "allowed"),
    "apis": ("apiVersion", "kind", "plural", "namespaced"),
    "dry-run": ("apiVersion", "kind", "namespace", "name", "outcome"),
    "live": ("apiVersion", "kind", "metadata"),
}
"""What rules take for granted of an answer."""

_ASTRAL: Final = re.compile(r"\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}")
_TYPES: Final[dict[object, str]] = {str: "text", bool: "true or false", list: "a list", (int, float): "a number"}


def load(path: Path) -> Inventory:
    """The inventory in a file: ours, or what `kubectl get -o yaml|json` printed.

    Of the latter, what it does not hold is ABSENT. Raises UsageError with every mistake and its line.
    """
    try:
        written = path.read_bytes()
    except OSError as cause:
        raise UsageError(f"the inventory {path} cannot be read: {cause.strerror or cause}") from cause
    return parse(written, file=str(path))


def parse(written: bytes, *, file: str) -> Inventory:
    """As `load`, from the content of a file that is called `file` in messages."""
    with uncollected():
        return _parsed(written, file)


def _parsed(written: bytes, file: str) -> Inventory:
    try:
        text = Text.read(written)
    except UnreadableTextError as cause:
        raise _wrong(file, [Problem(file=file, line=cause.line, message=str(cause))]) from cause
    documents = [value for value in text.documents if value is not None]
    ours = [isinstance(value, Mapping) and value.get("kind") == KIND for value in documents]
    if any(ours):
        if len(documents) > 1:
            problem = Problem(file=file, message="an Inventory stands alone in its file.")
            raise _wrong(file, [problem])
        return _ours(documents[0], text, file)
    found, problems = gathered(documents)
    if problems:
        raise _wrong(file, [_placed(text, file, path, message) for path, message in problems])
    if not found:
        message = "there is no object in it that preflight reads, such as nodes and pods."
        raise _wrong(file, [Problem(file=file, message=message)])
    return Inventory(captured_at="", llmdctl="", sections=found)


def dump(inventory: Inventory) -> str:
    """The file of an inventory."""
    return "".join(lines(inventory))


def lines(inventory: Inventory) -> Iterator[str]:
    """The file of an inventory, line by line."""
    for key, value in _head(inventory).items():
        yield f"{key}: {_json(value)}\n"
    yield "sections:\n" if inventory.sections else "sections: {}\n"
    for name, section in inventory.sections.items():
        yield f"  {name}:\n"
        for key, value in _facts(section).items():
            yield f"    {key}: {_json(value)}\n"
        yield "    items:\n" if section.items else "    items: []\n"
        for item in section.items:
            yield f"    - {_json(item)}\n"


def document(inventory: Inventory) -> dict[str, Any]:
    """The inventory as one JSON value, of the same schema as the file."""
    sections = {name: {**_facts(found), "items": list(found.items)} for name, found in inventory.sections.items()}
    return {**_head(inventory), "sections": sections}


def _head(inventory: Inventory) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "capturedAt": inventory.captured_at,
        "llmdctl": inventory.llmdctl,
        "server": inventory.server,
        "context": inventory.context,
        "redacted": inventory.redacted,
    }


def _facts(section: Section) -> dict[str, Any]:
    facts: dict[str, Any] = {"seen": section.seen.value}
    facts |= {"reason": section.reason} if section.reason else {}
    facts |= {"namespace": section.namespace} if section.namespace else {}
    return {**facts, "seconds": section.seconds}


def _json(value: object) -> str:
    """JSON that is YAML too: a character beyond 16 bits stands for itself, its two halves mean nothing to YAML."""
    text = json.dumps(value, ensure_ascii=True)
    return _ASTRAL.sub(lambda found: str(json.loads(f'"{found.group()}"')), text) if "\\ud" in text else text


def _ours(value: Mapping[str, Any], text: Text, file: str) -> Inventory:
    wrong = list(_mistakes(value))
    if wrong:
        raise _wrong(file, [_placed(text, file, path, message) for path, message in wrong])
    sections = value.get("sections") or {}
    return Inventory(
        captured_at=value.get("capturedAt", ""),
        llmdctl=value.get("llmdctl", ""),
        server=value.get("server", ""),
        context=value.get("context", ""),
        redacted=value.get("redacted", False),
        sections={name: _section(written) for name, written in sections.items()},
    )


def _section(written: Mapping[str, Any]) -> Section:
    return Section(
        seen=Seen(written["seen"]),
        reason=written.get("reason", ""),
        items=tuple(written.get("items") or ()),
        seconds=float(written.get("seconds", 0.0)),
        namespace=written.get("namespace", ""),
    )


def _mistakes(value: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    version = value.get("apiVersion")
    if version != API_VERSION:
        yield ("apiVersion",), f"'{version}' is not {API_VERSION}: this llmdctl reads no other version."
        return
    for key, entry in value.items():
        if key not in (*_HEAD, "apiVersion", "kind", "sections"):
            yield (key,), f"there is no key '{key}' here.{_near(key, (*_HEAD, 'sections'))}"
        elif key in _HEAD and not isinstance(entry, _HEAD[key]):
            yield (key,), f"it is not {_TYPES[_HEAD[key]]}."
    sections = value.get("sections") or {}
    if not isinstance(sections, Mapping):
        yield ("sections",), "it is not a mapping."
        return
    for name, written in sections.items():
        for path, message in _mistakes_of_section(name, written, str(value.get("llmdctl", ""))):
            yield ("sections", *path), message


def _mistakes_of_section(name: str, written: object, by: str) -> Iterator[tuple[KeyPath, str]]:
    if name not in NAMES:
        known = f" The file was written by llmdctl {by}." if by else ""
        yield (name,), f"there is no section '{name}'.{_near(name, NAMES)}{known}"
        return
    if not isinstance(written, Mapping):
        yield (name,), "it is not a mapping."
        return
    for key, entry in written.items():
        if key not in _SECTION:
            yield (name, key), f"there is no key '{key}' here.{_near(key, _SECTION)}"
        elif not isinstance(entry, _SECTION[key]) and not (key == "items" and entry is None):
            yield (name, key), f"it is not {_TYPES[_SECTION[key]]}."
    seen = written.get("seen")
    if seen not in list(Seen):
        yield (name, "seen"), f"'{seen}' is not one of {', '.join(Seen)}.{_near(str(seen), list(Seen))}"
    items = written.get("items")
    for number, item in enumerate(items if isinstance(items, list) else ()):
        message = _mistake_of_item(name, item)
        if message:
            yield (name, "items", number), message


def _mistake_of_item(section: str, item: object) -> str:
    if not isinstance(item, Mapping):
        return "it is not a mapping."
    if section in OBJECTS:
        metadata = item.get("metadata")
        named = isinstance(metadata, Mapping) and isinstance(metadata.get("name"), str)
        return "" if named else "it has no metadata.name."
    lacking = [key for key in _COLUMNS.get(section, ()) if key not in item]
    return f"it has no {' and no '.join(lacking)}." if lacking else ""


def _near(word: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(str(word), [str(name) for name in known], n=1)
    return f" Did you mean '{found[0]}'?" if found else ""


def _placed(text: Text, file: str, path: KeyPath, message: str) -> Problem:
    return Problem(file=file, line=text.line(path), path=yaml_text.shown(path), message=message)


def _wrong(file: str, problems: list[Problem]) -> UsageError:
    return UsageError(
        f"{file} is no inventory that can be read.",
        remedy="Write one with llmdctl inventory --to FILE, or with kubectl get nodes,pods -A -o json.",
        problems=tuple(problems),
    )
