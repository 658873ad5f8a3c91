"""Large YAML and JSON texts as data. Lines that are one JSON object each, as we write them, cost little to read.

Scalars are those of the YAML that Kubernetes' programs print: they quote whatever an older YAML would read otherwise,
so dates stay text, and only true and false are booleans.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

Path = tuple[str | int, ...]

_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PREFIX: Final = "tag:yaml.org,2002:"
_ITEM: Final = "!item"
_ITEM_LINE: Final = re.compile(r"^( *)- (\{.*\})$", re.MULTILINE)
_HINTS: Final = {
    "null": (["~", "n", "N", ""], r"~|null|Null|NULL|"),
    "bool": (list("tTfF"), r"true|True|TRUE|false|False|FALSE"),
    "int": (list("-+0123456789"), r"[-+]?(?:0|[1-9][0-9]*)"),
    "float": (list("-+.0123456789"), r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"),
}


class UnreadableTextError(Exception):
    """The text is neither YAML nor JSON."""

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.line = line  # 1-based


class _Loader(_BASE):  # type: ignore[misc]
    """Knows few plain scalars, and looks up what `!item` numbers."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  PyYAML's own interface
    items: Sequence[Any] = ()


for _name, (_first, _pattern) in _HINTS.items():
    _Loader.add_implicit_resolver(_PREFIX + _name, re.compile(rf"^(?:{_pattern})$"), _first)
_Loader.add_constructor(_ITEM, lambda loader, node: loader.items[int(node.value)])


@dataclass(kw_only=True)
class Text:
    """The documents of a text, and the lines of what is in them."""

    documents: list[Any]
    source: str = field(repr=False)

    @classmethod
    def read(cls, written: bytes) -> Text:
        """Raises UnreadableTextError."""
        try:
            source = written.decode("utf-8-sig")
        except UnicodeDecodeError as cause:
            line = written.count(b"\n", 0, cause.start) + 1
            raise UnreadableTextError("it is no UTF-8 text.", line) from cause
        if source.lstrip()[:1] == "{":
            return cls(documents=list(_json(source)), source=source)
        return cls(documents=_yaml(source), source=source)

    def line(self, path: Path) -> int | None:
        """The 1-based line of a value of the first document, or of the nearest one above it.

        Reads the whole text again: for mistakes only.
        """
        try:
            node = yaml.compose(self.source.split("\n---", 1)[0], Loader=_Loader)
        except yaml.YAMLError:
            return None
        return None if node is None else _line(node, path)


def shown(path: Path) -> str | None:
    """A path as people write it."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or None


def _json(source: str) -> Iterator[Any]:
    """One JSON value after the other, as several kubectl commands leave them in one file."""
    decoder, at = json.JSONDecoder(), 0
    try:
        while at < len(source):
            if source[at].isspace():
                at += 1
                continue
            value, at = decoder.raw_decode(source, at)
            yield value
    except json.JSONDecodeError as cause:
        raise UnreadableTextError(f"it is no JSON: {cause.msg}.", cause.lineno) from cause
    except RecursionError as cause:
        raise UnreadableTextError("it is nested too deeply.", None) from cause


def _yaml(source: str) -> list[Any]:
    items: list[Any] = []

    def remember(found: re.Match[str]) -> str:
        try:
            items.append(json.loads(found.group(2)))
        except (ValueError, RecursionError):
            return found.group()  # YAML that is no JSON
        return f"{found.group(1)}- {_ITEM} {len(items) - 1}"

    loader = _Loader(_ITEM_LINE.sub(remember, source))
    loader.items = items
    documents = []
    try:
        while loader.check_data():
            documents.append(loader.get_data())
    except yaml.MarkedYAMLError as cause:
        mark = cause.problem_mark or cause.context_mark
        raise UnreadableTextError(
            f"it is no YAML: {cause.problem}.", None if mark is None else mark.line + 1
        ) from cause
    except (yaml.YAMLError, ValueError, IndexError, TypeError) as cause:
        raise UnreadableTextError(f"it is no YAML: {str(cause).splitlines()[0]}.", None) from cause
    except RecursionError as cause:
        raise UnreadableTextError("it is nested too deeply.", None) from cause
    finally:
        loader.dispose()
    return documents


def _line(node: yaml.Node, path: Path) -> int:
    line = int(node.start_mark.line) + 1
    for step in path:
        if isinstance(node, yaml.MappingNode) and isinstance(step, str):
            found = next(((key, value) for key, value in node.value if key.value == step), None)
            if found is None:
                break
            line, node = int(found[0].start_mark.line) + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = int(node.start_mark.line) + 1
        else:
            break
    return line
