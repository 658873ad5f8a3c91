"""From the bytes of one YAML document to a graph of nodes, with limits that hold before anything is built from it."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

MAX_DEPTH: Final = 64  # the charts nest 12 levels

_LOADER = getattr(yaml, "CLoader", yaml.Loader)  # libyaml's scanner, which go-yaml is a translation of


class SyntaxProblem(Exception):
    """The bytes are no single YAML document. Carries the line, where one is known, and what to do."""

    def __init__(self, message: str, *, line: int | None = None, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.remedy = remedy


@dataclass(slots=True)
class Node:
    """A node of the graph. `children` are nodes: of a mapping, keys and values in turn."""

    line: int  # 1-based
    column: int  # 1-based
    tag: str | None
    text: str | None = None  # of a scalar
    plain: bool = False  # a scalar without quotes and without tag
    children: list[Node] | None = None
    mapping: bool = False
    target: Node | None = None  # of an alias: the node that has the anchor
    is_open: bool = False  # while what it holds is being read: an alias of it there would have no end

    @property
    def real(self) -> Node:
        """The node itself, or the one that an alias stands for."""
        return self.target or self


def compose(data: bytes) -> Node | None:
    """The root of the one document in `data`; None when there is nothing but comments.

    Raises SyntaxProblem.
    """
    inner_mark = data.find(codecs.BOM_UTF8, 1)
    if inner_mark > 0:  # Go refuses it where libyaml takes it for text
        line = data.count(b"\n", 0, inner_mark) + 1
        raise SyntaxProblem("a byte order mark stands inside the file, where no editor shows it.", line=line)
    try:
        return _document(_events(data))
    except yaml.YAMLError as cause:
        raise _translated(cause) from cause
    except UnicodeDecodeError as cause:
        raise SyntaxProblem("the file is binary, or text that is not UTF-8.") from cause


def _events(data: bytes) -> Iterator[Any]:
    next_event = _LOADER(data).get_event
    while (event := next_event()) is not None:
        yield event


def _document(events: Iterator[Any]) -> Node | None:
    root: Node | None = None
    for event in events:
        if not isinstance(event, yaml.DocumentStartEvent):
            continue
        found = _tree(events)
        if root is None:
            root = found
        elif found.text != "":  # a closing `---` is no document
            remedy = "Helm 3 reads the first alone and Helm 4 both: make it one document."
            raise SyntaxProblem("the file holds a second document.", line=found.line, remedy=remedy)
    return root


def _tree(events: Iterator[Any]) -> Node:
    """The next node with all that it holds; without recursion, as a file may nest without end."""
    anchors: dict[str, Node] = {}
    stack: list[Node] = []
    holding: list[Node] | None = None  # what the innermost open collection holds so far
    flow_depth = 0  # how many of the open collections are written as [] or {}, or lie in one
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            node = stack.pop()
            holding = stack[-1].children if stack else None
            flow_depth = max(0, flow_depth - 1)
        else:
            node = _node(event, anchors)
            if holding is not None:
                holding.append(node)
            if flow_depth and node.plain and "?" in (node.text or ""):  # go-yaml ends the text there, libyaml does not
                raise SyntaxProblem(
                    f"'{node.text}' must be in quotes: it holds a '?' inside [] or {{}}.", line=node.line
                )
            if node.children is not None:
                stack.append(node)
                holding = node.children
                flow_depth += bool(flow_depth or event.flow_style)
                if len(stack) > MAX_DEPTH:
                    raise SyntaxProblem(f"values nest deeper than {MAX_DEPTH} levels.", line=node.line)
        if not stack:
            return node
    raise SyntaxProblem("the file ends too early.")


def _node(event: Any, anchors: dict[str, Node]) -> Node:  # noqa: ANN401  PyYAML's types do not say what events hold
    mark = event.start_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    if isinstance(event, yaml.ScalarEvent):
        node = Node(line, column, event.tag, event.value, event.implicit[0])
    elif isinstance(event, yaml.AliasEvent):
        if event.anchor not in anchors:
            raise SyntaxProblem(f"no anchor is called '&{event.anchor}'.", line=line)
        return Node(line, column, None, target=anchors[event.anchor])
    else:
        node = Node(line, column, event.tag, children=[], mapping=isinstance(event, yaml.MappingStartEvent))
    if event.anchor is not None:
        anchors[event.anchor] = node
    return node


def _translated(cause: yaml.YAMLError) -> SyntaxProblem:
    problem = getattr(cause, "problem", None)
    if problem is None:  # a ReaderError: bytes that are no text
        return SyntaxProblem("the file is binary, or holds characters that YAML does not allow.")
    mark, context = getattr(cause, "problem_mark", None), getattr(cause, "context", None)
    message = f"this is no valid YAML: {problem}" + (f" {context}" if context else "") + "."
    return SyntaxProblem(message, line=mark.line + 1 if mark else None)
