"""Reads a YAML file exactly as Helm reads it, keeps the place of every value, and refuses what can only be a mistake.

Stricter than Helm in five points, each because Helm would go on with something nobody meant: duplicate keys (the last
one wins silently), a second document (helm 3 ignores it, helm 4.3 merges it), keys with a fraction, files above
4 MiB, and files that grow without bound through aliases.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeAlias

from llmdctl.errors import Problem, RecipeError
from llmdctl.model.document import Document, Mark, json_path
from llmdctl.recipe.nodes import MAX_DEPTH, Node, SyntaxProblem, compose
from llmdctl.scalars import MERGE, Scalar, ScalarError, key_text, resolve

MAX_BYTES: Final = 4 * 2**20  # a values file of 1,000 settings weighs about 50 kB
MAX_VALUES: Final = 200_000  # after aliases are filled in; Helm itself stops near 400,000

Place: TypeAlias = tuple[str | int, ...]


class _Stop(Exception):
    """A mistake after which there is nothing to go on with; it is in `problems` already."""


def read(file: Path, *, shown_as: str | None = None) -> Document:
    """The content of a YAML file whose top level is a mapping; an empty file is an empty mapping.

    Raises RecipeError with every mistake found, each with its line.
    """
    name = shown_as or str(file)
    return parse(_bytes(file, name), name)


def read_again(file: Path, *, shown_as: str) -> Document:
    """Like `read`, of a file that one process may ask for many times: while its bytes are the same, it is parsed once.

    Nobody may change what is in the document. Raises RecipeError.
    """
    return _parsed(_bytes(file, shown_as), shown_as)


def parse(data: bytes, name: str) -> Document:
    """Like `read`, of bytes in hand; `name` stands for the file in messages.

    Raises RecipeError.
    """
    return _Reading(name=name).document(data)


_parsed = lru_cache(maxsize=512)(parse)  # there are 182 paths and facets


def _bytes(file: Path, name: str) -> bytes:
    data = b""
    try:
        with file.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size <= MAX_BYTES:
                data = stream.read(MAX_BYTES + 1)  # bounded: a device or a pipe has no size
                size = len(data)
    except OSError as cause:
        raise _refused(Problem(file=name, message=f"the file cannot be read: {cause.strerror or cause}.")) from cause
    if size > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES // 2**20} MiB: it cannot be a values file."
        raise _refused(Problem(file=name, message=message))
    if b"\0" in data and data[:2] not in (b"\xff\xfe", b"\xfe\xff"):  # only UTF-16 text has zero bytes
        raise _refused(Problem(file=name, message="the file is binary, not YAML."))
    return data


def _refused(*problems: Problem) -> RecipeError:
    count = "" if len(problems) == 1 else f": {len(problems)} mistakes"
    return RecipeError(f"{problems[0].file} cannot be used{count}.", problems=problems)


@lru_cache(maxsize=4096)
def _plain_key(text: str) -> str:
    """A key without quotes. Files repeat the same few hundred. Raises ScalarError."""
    return key_text(resolve(text, None))


@dataclass(slots=True)
class _Reading:
    """One file on its way from nodes to values: the mistakes so far, and what limits it."""

    name: str
    problems: list[Problem] = field(default_factory=list)
    values: int = 0
    depth: int = 0

    def document(self, data: bytes) -> Document:
        try:
            value, mark = self._top(compose(data))
        except SyntaxProblem as wrong:
            raise _refused(
                Problem(file=self.name, line=wrong.line, message=wrong.message, remedy=wrong.remedy)
            ) from wrong
        except _Stop:
            raise _refused(*self.problems) from None
        if self.problems:
            raise _refused(*self.problems)
        return Document(file=self.name, value=value, mark=mark)

    def _top(self, root: Node | None) -> tuple[dict[str, Any], Mark]:
        value, mark = self._value(root, ()) if root else (None, Mark(1, 1))
        if value is None:
            return {}, Mark(1, 1, {})
        if root and not isinstance(value, dict):
            kind = "a list" if isinstance(value, list) else "text" if isinstance(value, str) else "a single value"
            raise self._stop(root, f"the file holds {kind}, not a mapping of keys to values.")
        return value, mark

    def _fail(self, node: Node, message: str, path: Place = (), remedy: str | None = None) -> None:
        place = json_path(path) or None
        self.problems.append(Problem(file=self.name, line=node.line, path=place, message=message, remedy=remedy))

    def _stop(self, node: Node, message: str, path: Place = ()) -> _Stop:
        self._fail(node, message, path)
        return _Stop()

    def _value(self, node: Node, path: Place) -> tuple[Any, Mark]:
        node = node.real
        self.values += 1
        if self.values > MAX_VALUES:
            raise self._stop(node, f"the file holds more than {MAX_VALUES:,} values once its aliases are filled in.")
        if node.children is None:
            return self._scalar(node, path), Mark(node.line, node.column)
        if node.is_open:
            raise self._stop(node, "an anchor holds an alias of itself.", path)
        node.is_open = True
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._stop(node, f"values nest deeper than {MAX_DEPTH} levels once aliases are filled in.")
        result = self._mapping(node, path) if node.mapping else self._sequence(node, path)
        self.depth -= 1
        node.is_open = False
        return result

    def _scalar(self, node: Node, path: Place) -> Scalar:
        text = node.text or ""
        if node.tag is None and not node.plain:
            return text
        try:
            value = resolve(text, node.tag)
        except ScalarError as wrong:
            self._fail(node, f"{wrong}.", path)
            return None
        if isinstance(value, float) and not abs(value) < float("inf"):  # NaN is not below it either
            self._fail(node, f"{text} is no number in JSON, so Helm refuses it.", path)
        return value

    def _sequence(self, node: Node, path: Place) -> tuple[list[Any], Mark]:
        values: list[Any] = []
        marks: list[Mark] = []
        for index, child in enumerate(node.children or ()):
            value, mark = self._value(child, (*path, index))
            values.append(value)
            marks.append(mark)
        return values, Mark(node.line, node.column, marks)

    def _mapping(self, node: Node, path: Place) -> tuple[dict[str, Any], Mark]:
        values: dict[str, Any] = {}
        marks: dict[str, Mark] = {}
        stated: dict[str, int] = {}  # written here, not merged in with `<<`
        children = node.children or []
        for key_node, child in zip(children[::2], children[1::2], strict=True):
            if key_node.text == "<<" and (key_node.tag == MERGE or (key_node.plain and key_node.tag is None)):
                self._merge(child, path, values, marks)
                continue
            key = self._key(key_node, path)
            if key is None:
                continue
            if key in stated:
                message = f"the key '{key}' stands here and already in line {stated[key]}."
                self._fail(key_node, message, (*path, key), "Helm would silently take the last one.")
                continue
            stated[key] = key_node.line
            value, mark = self._value(child, (*path, key))
            values[key] = value
            marks[key] = Mark(key_node.line, key_node.column, mark.inside)
        return values, Mark(node.line, node.column, marks)

    def _key(self, node: Node, path: Place) -> str | None:
        if node.plain and node.tag is None and node.text is not None:
            with suppress(ScalarError):
                return _plain_key(node.text)
        node = node.real
        if node.children is not None:
            self._fail(node, "a key cannot be a list or a mapping.", path)
            return None
        before = len(self.problems)
        try:
            key = key_text(self._scalar(node, path))
        except ScalarError as wrong:
            if len(self.problems) == before:
                self._fail(node, f"{wrong}.", path)
            return None
        return key

    def _merge(self, node: Node, path: Place, values: dict[str, Any], marks: dict[str, Mark]) -> None:
        """`<<`: as in go-yaml 2, it overrides what was written above it; of a list, the first mapping wins."""
        sources = [node] if node.children is None or node.mapping else list(reversed(node.children))
        for source in sources:
            if not source.real.mapping:
                self._fail(source, "'<<' wants a mapping, or a list of mappings.", path)
                return
            value, mark = self._value(source, path)
            values.update(value)
            if isinstance(mark.inside, dict):
                marks.update(mark.inside)
