"""How Helm lays values over values: `-f` files over each other, and `--set` arguments over both.

Both follow Helm 3.22 and 4.3, which agree, and are compared with Helm in the tests. An explicit null is a value like
any other here: it survives, and means "absent" to the charts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.errors import Problem, UsageError

MAX_INDEX: Final = 65_536  # Helm's limit for `a[N]`
MAX_LEVEL: Final = 30  # Helm's limit for `a.b.c…`
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_INT64: Final = (-(2**63), 2**63 - 1)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`: mappings merge key by key, everything else (lists, null) replaces.

    Neither argument is changed; what did not have to be merged is shared with the result.
    """
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(value, Mapping) and isinstance(below, Mapping) else value
    return merged


def leaves(values: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every (path, value) below which there is no further key; a list, null and an empty mapping are values."""
    for key, value in values.items():
        path = (*prefix, key)
        if isinstance(value, Mapping) and value:
            yield from leaves(value, path)
        else:
            yield path, value


def apply_set(
    argument: str, values: Mapping[str, Any], *, option: str = "--set", shown_as: str | None = None
) -> dict[str, Any]:
    """A copy of `values` with one `--set` argument (`a.b=1,c[0]={x,y}`) applied, in Helm's grammar.

    Types: `true`, `false`, `null` in any case; integers of 64 bits without leading zero; all else is text. Stricter
    than Helm where it would drop a setting without a word: empty names, and empty values inside lists.
    Raises UsageError that quotes the argument, as the user wrote it under `option`.
    """
    result: dict[str, Any] = _copy(values)
    try:
        _Settings(argument).apply(result)
    except _Wrong as wrong:
        quoted = repr(shown_as or argument)
        problem = Problem(file=option, message=f"{quoted}: {wrong}.")
        remedy = "Write NAME=VALUE, such as modelserver.roles.decode.replicas=2."
        raise UsageError(
            f"{option} {argument!r} cannot be read: {wrong}.", remedy=remedy, problems=(problem,)
        ) from None
    return result


def _copy(value: Any) -> Any:  # noqa: ANN401  any JSON value
    if isinstance(value, Mapping):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


class _Wrong(ValueError):
    """What is wrong with a `--set` argument, without the argument."""


def typed(text: str) -> str | int | bool | None:
    """What `--set` makes of the text after `=`."""
    folded = text.casefold()
    if folded in ("true", "false"):
        return folded == "true"
    if folded == "null":
        return None
    if text == "0":
        return 0
    if _INTEGER.fullmatch(text) and text[0] != "0" and _INT64[0] <= int(text) <= _INT64[1]:
        return int(text)
    return text


class _Settings:
    """A `--set` argument being read from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.ended_empty = False  # the last value was nothing at all, at the very end

    def apply(self, values: dict[str, Any]) -> None:
        while self.position < len(self.text):
            self._key(values, 0)

    def _until(self, stops: str) -> tuple[str, str]:
        """The text up to one of `stops`, and which one ("" at the end); `\\` takes the next character literally."""
        found: list[str] = []
        while self.position < len(self.text):
            character = self.text[self.position]
            self.position += 1
            if character in stops:
                return "".join(found), character
            if character == "\\":
                found.append(self.text[self.position : self.position + 1])
                self.position += 1
            else:
                found.append(character)
        return "".join(found), ""

    def _key(self, values: dict[str, Any], level: int) -> None:
        name, stop = self._until("=[,.")
        if not name:
            raise _Wrong("a name is empty")
        if stop in ("", ","):
            raise _Wrong(f"'{name}' has no value")
        if stop == "=":
            values[name] = self._value()
        elif stop == "[":
            below = values.get(name, [])
            if not isinstance(below, list):
                raise _Wrong(f"'{name}' is no list")
            values[name] = self._item(below, level)
        else:
            if level == MAX_LEVEL:
                raise _Wrong(f"names nest deeper than {MAX_LEVEL} levels")
            below = values.get(name, {})
            if not isinstance(below, dict):
                kind = "null" if below is None else "no mapping"
                raise _Wrong(f"'{name}' is {kind}, so it can hold nothing")
            self._key(below, level + 1)
            values[name] = below

    def _item(self, items: list[Any], level: int) -> list[Any]:
        index_text, closed = self._until("]")
        if not closed or not _INTEGER.fullmatch(index_text):
            raise _Wrong(f"'[{index_text}' is no index of a list")
        index = int(index_text)
        if not 0 <= index <= MAX_INDEX:
            raise _Wrong(f"the index {index} is not between 0 and {MAX_INDEX}")
        extra, stop = self._until("[.=")
        if extra:
            raise _Wrong(f"'{extra}' follows an index")
        present = items[index] if index < len(items) else None
        if stop == "=":
            item: Any = self._value()
        elif stop == "[":
            if present is not None and not isinstance(present, list):
                raise _Wrong(f"the item [{index}] is no list")
            item = self._item(present or [], level)
        elif stop == ".":
            item = present if isinstance(present, dict) else {}
            self._key(item, level)
            if self.ended_empty:
                raise _Wrong("Helm drops an empty value at the end of a list item: set it in a values file")
        else:
            raise _Wrong(f"the item [{index}] has no value")
        items = items + [None] * (index + 1 - len(items))
        items[index] = item
        return items

    def _value(self) -> Any:  # noqa: ANN401  any JSON value
        if self.text[self.position : self.position + 1] == "{":
            self.position += 1
            return self._list()
        self.ended_empty = self.position >= len(self.text)
        return typed(self._until(",")[0])

    def _list(self) -> list[Any]:
        items: list[Any] = []
        while True:
            text, stop = self._until(",}")
            if not stop:
                raise _Wrong("a list must end with '}'")
            items.append(typed(text))
            if stop == "}":
                if self.text[self.position : self.position + 1] == ",":
                    self.position += 1
                return items
