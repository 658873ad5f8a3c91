"""The text of a configuration, read as the endpoint picker reads it: strict YAML, the first document only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

from llmdctl.lint.epp.remark import Place, Remark, remark
from llmdctl.scalars import MERGE, ScalarError, key_text, resolve

MAX_DEPTH: Final = 60  # a configuration nests about ten levels
MAX_VALUES: Final = 100_000  # the largest one published has about 200
_TEXT: Final = "tag:yaml.org,2002:str"
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BASE):  # type: ignore[misc]
    """Leaves plain scalars to `llmdctl.scalars`: the endpoint picker reads with the same Go library as Helm."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {  # noqa: RUF012  PyYAML's own interface
        "<": [(MERGE, re.compile("^<<$"))]
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """The value (None when it cannot be read), its node for line numbers, and what was found on the way."""

    value: Any = None
    node: yaml.Node | None = None
    remarks: tuple[Remark, ...] = ()


class _Unreadable(Exception):
    """The text cannot be read: the remark says why."""

    def __init__(self, path: Place, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remark = remark("LD1801", path, message, remedy)


def read(text: str) -> Reading:
    """The first document of `text`; the endpoint picker refuses what gives a remark of severity error."""
    try:
        node, more = _first_document(text)
        if node is None:
            message = "The configuration is empty: the endpoint picker then uses its built-in default profile."
            return Reading(remarks=(remark("LD1802", (), message, "Write the profile that is meant."),))
        value = _value(node, (), iter(range(MAX_VALUES)))
    except _Unreadable as wrong:
        return Reading(remarks=(wrong.remark,))
    return Reading(value=value, node=node, remarks=tuple(_second_document(more)))


def _second_document(line: int | None) -> Iterator[Remark]:
    if line is not None:
        message = f"A second YAML document starts in line {line} of the text; the endpoint picker reads the first only."
        yield remark("LD1802", (), message, "Put everything into one document.")


def _first_document(text: str) -> tuple[yaml.Node | None, int | None]:
    """The root node of the first document that holds anything, and the line of the next one."""
    loader = _Loader(text)
    try:
        node = loader.get_node() if loader.check_node() else None
        line: int | None = None
        if loader.check_event(yaml.DocumentStartEvent):
            event = loader.peek_event()
            line = event.start_mark.line + 1
    except yaml.MarkedYAMLError as cause:
        where = cause.problem_mark or cause.context_mark
        place = f" in line {where.line + 1}" if where else ""
        raise _Unreadable((), f"The configuration is no YAML{place}: {cause.problem or cause.context}.") from cause
    except (yaml.YAMLError, RecursionError) as cause:
        raise _Unreadable((), "The configuration is no YAML.") from cause
    finally:
        loader.dispose()
    if isinstance(node, yaml.ScalarNode) and node.value == "" and not node.style:
        node = None
    return node, line


def _value(node: yaml.Node, path: Place, budget: Iterator[int]) -> Any:  # noqa: ANN401 - whatever YAML holds
    if len(path) > MAX_DEPTH or next(budget, None) is None:
        raise _Unreadable((), "The configuration nests or repeats its values without end.")
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, budget)
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*path, index), budget) for index, child in enumerate(node.value)]
    if not isinstance(node, yaml.ScalarNode) or (node.style and node.tag == _TEXT):
        return node.value
    try:
        return resolve(node.value, None if node.tag == _TEXT else node.tag)
    except ScalarError as wrong:
        raise _Unreadable(path, f"The value cannot be read: {wrong}.") from wrong


def _mapping(node: yaml.MappingNode, path: Place, budget: Iterator[int]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, child in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise _Unreadable(path, "A key is a list or a mapping.")
        if key_node.tag == MERGE:
            merged = _value(child, path, budget)
            if isinstance(merged, dict):
                values = {**merged, **values}
            continue
        try:
            key = key_node.value if key_node.style else key_text(resolve(key_node.value, None))
        except ScalarError as wrong:
            raise _Unreadable(path, f"A key cannot be read: {wrong}.") from wrong
        if key in values:
            message = f"The key '{key}' stands twice; the endpoint picker refuses that."
            raise _Unreadable((*path, key), message, "Remove one of them.")
        values[key] = _value(child, (*path, key), budget)
    return values
