"""From YAML or JSON text to manifests: several documents, Lists, and every mistake of the text with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import yaml

from llmdctl.lint.manifest import Manifest, Place
from llmdctl.lint.rule import Code
from llmdctl.model.finding import Finding, Severity
from llmdctl.scalars import MERGE, ScalarError, key_text, resolve

UNREADABLE: Final = Code(
    code="LD1900",
    title="The text is no YAML",
    severity=Severity.ERROR,
    doc="Nothing of a file that cannot be read is applied.",
)
DUPLICATE_KEY: Final = Code(
    code="LD1901",
    title="A key stands twice in one mapping",
    severity=Severity.ERROR,
    doc="kubectl, kustomize and Helm keep the last one and drop the other without a word, so that two `env:` blocks in "
    "one container lose the first. https://yaml.org/spec/1.2.2/#3213-node-comparison: keys are unique.",
)
CODES: Final = {code.code: code for code in (UNREADABLE, DUPLICATE_KEY)}

MAX_DEPTH: Final = 100
MAX_VALUES: Final = 2_000_000  # a namespace of 2,000 objects holds about 400,000
_TEMPLATE: Final = re.compile(r"^\s*\{\{-?\s|\{\{-? *(\.Values|include|\.Release)", re.MULTILINE)
_TEXT: Final = "tag:yaml.org,2002:str"
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BASE):  # type: ignore[misc]
    """Leaves plain scalars to `llmdctl.scalars`, whose rules are those of kubectl and Helm (sigs.k8s.io/yaml)."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {  # noqa: RUF012  PyYAML's own interface
        "<": [(MERGE, re.compile("^<<$"))]
    }


@dataclass(slots=True)
class Read:
    """What a text gave: objects, and what is wrong with the text. Documents that are no objects are left out."""

    manifests: list[Manifest] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    skipped: int = 0  # documents that are no objects of Kubernetes
    complete: bool = True  # False: one folder of several


class _TooMuchError(Exception):
    """Aliases or brackets without end."""


@dataclass(slots=True)
class _Building:
    """Values out of nodes, with the duplicate keys that were met."""

    duplicates: list[tuple[Place, yaml.Node, str]] = field(default_factory=list)
    values: int = 0

    def value(self, node: yaml.Node, path: Place) -> Any:  # noqa: ANN401 - any YAML value
        self.values += 1
        if self.values > MAX_VALUES or len(path) > MAX_DEPTH:
            raise _TooMuchError
        if isinstance(node, yaml.ScalarNode):
            if node.style and node.tag == _TEXT:
                return node.value
            return _scalar(node.value, None if node.tag == _TEXT else node.tag)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]
        return self.mapping(node, path)

    def mapping(self, node: yaml.Node, path: Place) -> dict[str, Any]:
        built: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, child in node.value:
            if key_node.value == "<<" and key_node.tag == MERGE:
                sources = child.value if isinstance(child, yaml.SequenceNode) else [child]
                for source in reversed(sources):
                    found = self.value(source, path)
                    merged.update(found if isinstance(found, dict) else {})
                continue
            key = _key(key_node)
            if key in built:
                self.duplicates.append(((*path, key), key_node, key))
            built[key] = self.value(child, (*path, key))
        return {**merged, **built}


def _scalar(text: str, tag: str | None) -> Any:  # noqa: ANN401 - a scalar
    try:
        return resolve(text, tag)
    except ScalarError:
        return text


def _key(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        return str(node.start_mark)
    try:
        return node.value if node.style else key_text(resolve(node.value, None))
    except ScalarError:
        return str(node.value)


def read(text: str, name: str) -> Read:
    """Every object in `text`; `name` stands for the file in findings and problems."""
    done = Read()
    for document, offset in _documents(text):
        _document(document, offset, name, done)
    return done


def _documents(text: str) -> Iterator[tuple[str, int]]:
    """The documents of a stream with the lines above each: one that is broken does not hide the others."""
    start = 0
    line = 0
    for match in re.finditer(r"(?m)^---(?=\s|$)[^\n]*\n?", text):
        yield text[start : match.start()], line
        line += text.count("\n", start, match.end())
        start = match.end()
    yield text[start:], line


def _document(text: str, offset: int, name: str, done: Read) -> None:
    if not text.strip():
        return
    building = _Building()
    try:
        node = _compose(text)
        value = None if node is None else building.value(node, ())
    except yaml.YAMLError as cause:
        done.findings.append(_unreadable(cause, name, offset, text))
        return
    except _TooMuchError:
        done.findings.append(_broken(name, offset + 1, "This document nests or repeats its values without end."))
        return
    if value is None:
        return
    if not isinstance(value, Mapping) or not isinstance(value.get("kind"), str) or "apiVersion" not in value:
        done.skipped += 1
        return
    whole = Manifest(value=value, file=name, node=node, first_line=offset)
    for path, key_node, key in building.duplicates:
        done.findings.append(_duplicate(whole, path, key_node, key))
    done.manifests.extend(_unfolded(whole))


def _compose(text: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        found: yaml.Node | None = loader.get_single_node()
        return found
    finally:
        loader.dispose()


def _duplicate(manifest: Manifest, path: Place, node: yaml.Node, key: str) -> Finding:
    found = manifest.finding(
        DUPLICATE_KEY,
        path,
        f"The key '{key}' stands twice in one mapping: whoever reads it keeps the last one only.",
        "Merge the two into one.",
    )
    line = manifest.first_line + node.start_mark.line + 1
    return Finding(**{name: getattr(found, name) for name in found.__slots__} | {"line": line})


def _unfolded(manifest: Manifest) -> Iterator[Manifest]:
    """The objects of a List (`kubectl get -o yaml`), or the object itself."""
    if not (manifest.kind.endswith("List") and isinstance(manifest.get("items"), Sequence)):
        yield manifest
        return
    for index, item in enumerate(manifest.rows("items")):
        if isinstance(item, Mapping):
            kind = manifest.kind.removesuffix("List")
            value = {"apiVersion": manifest.api_version, "kind": kind, **item} if kind and "kind" not in item else item
            node = _child(manifest.node, "items", index)
            yield Manifest(value=value, file=manifest.file, node=node, first_line=manifest.first_line)


def _child(node: yaml.Node | None, key: str, index: int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        for name, child in node.value:
            if name.value == key and isinstance(child, yaml.SequenceNode):
                found: yaml.Node = child.value[index]
                return found
    return node


def _unreadable(cause: yaml.YAMLError, name: str, offset: int, text: str) -> Finding:
    mark = getattr(cause, "problem_mark", None)
    message = getattr(cause, "problem", None) or "it holds characters that YAML does not allow"
    line = offset + (mark.line + 1 if mark else 1)
    if _TEMPLATE.search(text):
        remedy = "Render it first (helm template) and lint the result."
        return _broken(name, line, "This is a template, which cannot be judged.", remedy, Severity.UNKNOWN)
    return _broken(name, line, f"This is no valid YAML: {message}.")


def _broken(name: str, line: int, message: str, remedy: str = "", severity: Severity = Severity.ERROR) -> Finding:
    return Finding(
        code=UNREADABLE.code,
        severity=severity,
        object="",
        path="",
        file=name,
        line=line,
        message=message,
        remedy=remedy,
    )


def inside(outer: Manifest, place: Place, text: str) -> tuple[Manifest, str]:
    """The YAML text that stands at `place` of an object, as a manifest of its own, and why it is no mapping."""
    first_line = _text_line(outer, place)
    node, value, problem = _parsed(text)
    shown = node if first_line is not None else None
    source = Manifest(value=value, file=outer.file, node=shown, first_line=first_line or 0, outer=outer, prefix=place)
    return source, problem


@lru_cache(maxsize=128)  # the cells of a matrix differ in little: most have the same Envoy configuration
def _parsed(text: str) -> tuple[yaml.Node | None, Any, str]:
    """The root of a text, its value, and why it is no mapping."""
    try:
        node = _compose(text)
        value = None if node is None else _Building().value(node, ())
    except (yaml.YAMLError, _TooMuchError) as cause:
        mark = getattr(cause, "problem_mark", None)
        where = f" in its line {mark.line + 1}" if mark else ""
        return None, None, f"it is no valid YAML{where}: {getattr(cause, 'problem', None) or 'it has no end'}"
    if isinstance(value, Mapping):
        return node, value, ""
    return node, value, "it is empty" if value is None else "it is no mapping of keys to values"


def _text_line(outer: Manifest, place: Place) -> int | None:
    """The line above the first line of a block text (`|`); None when lines inside cannot be counted."""
    node = outer.node
    for step in place:
        if isinstance(node, yaml.MappingNode):
            node = next((child for key, child in node.value if key.value == step), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
        else:
            return None
    if isinstance(node, yaml.ScalarNode) and node.style == "|":
        return outer.first_line + int(node.start_mark.line) + 1
    return None
