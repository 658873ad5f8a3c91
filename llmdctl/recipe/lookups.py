"""What an expression reads without Jinja: chains of keys, and choices between them.

A chain is `versions.images[engine.name].tag`; a choice `fit.tensor if fit.tensor > 2 else 2`, one after another. These
are all that most recipes have, and importing Jinja takes 0.05 s. A dot reads keys and never attributes or methods.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, Final

from llmdctl.recipe.names import nearest

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEYWORDS: Final = frozenset(
    ("and", "else", "false", "False", "if", "in", "is", "none", "None", "not", "or", "true", "True")
)


class ExpressionError(ValueError):
    """An expression that cannot be evaluated; the message is a sentence."""

    def __init__(self, message: str, *, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion


def look_up(container: object, key: object) -> Any:  # noqa: ANN401  any JSON value
    """The value of a key of a mapping or an index of a list.

    Raises ExpressionError that names the nearest key.
    """
    if holds(container, key):
        found: Any = container[key]  # type: ignore[index]
        return found
    if isinstance(container, Mapping):
        raise unknown(str(key), container)
    if isinstance(container, list) and isinstance(key, int):
        raise ExpressionError(f"the list has no item {key}: it has {len(container)}.")
    raise ExpressionError(f"'{key}' is asked of {shown(container)}, which holds nothing.")


def holds(container: object, key: object) -> bool:
    """Whether `look_up` finds something; what it finds may still fail to be computed."""
    if isinstance(container, Mapping):
        return key in container
    if not isinstance(container, list) or not isinstance(key, int) or isinstance(key, bool):
        return False
    return -len(container) <= key < len(container)


def unknown(name: str, mapping: Mapping[str, Any]) -> ExpressionError:
    """The error for a name that `mapping` does not hold."""
    close = nearest(name, mapping)
    hint = "" if close else f" Known here: {', '.join(sorted(map(str, mapping))) or 'nothing'}."
    return ExpressionError(f"'{name}' is not defined.{hint}", suggestion=close)


def shown(value: object) -> str:
    """A value as messages quote it."""
    return "null" if value is None else f"'{value}'" if isinstance(value, str) else str(value)


# Chains of keys

_Step = str | int | tuple[Any, ...]  # a key, an index, or a chain whose value is the key


@lru_cache(maxsize=4096)
def chain(source: str) -> tuple[_Step, ...] | None:
    """`a.b[c.d]['e']` as steps; None when it is another kind of expression."""
    try:
        steps, end = _chain(source, 0)
    except ValueError:
        return None
    return steps if end == len(source) else None


def _chain(source: str, position: int) -> tuple[tuple[_Step, ...], int]:
    first = _NAME.match(source, position)
    if not first or first[0] in _KEYWORDS:
        raise ValueError
    steps: list[_Step] = [first[0]]
    position = first.end()
    while position < len(source) and source[position] in ".[":
        if source[position] == ".":
            name = _NAME.match(source, position + 1)
            if not name:
                raise ValueError
            steps.append(name[0])
            position = name.end()
        else:
            step, position = _subscript(source, position + 1)
            steps.append(step)
    return tuple(steps), position


_LITERAL: Final = re.compile(r"'([^'\\]*)'|\"([^\"\\]*)\"|(0|[1-9][0-9]*)")


def _subscript(source: str, position: int) -> tuple[_Step, int]:
    literal = _LITERAL.match(source, position)
    step: _Step
    if literal:
        single, double, number = literal.groups()
        step = int(number) if number is not None else single if single is not None else double
        position = literal.end()
    else:
        step, position = _chain(source, position)
    if source[position : position + 1] != "]":
        raise ValueError
    return step, position + 1


def follow(steps: tuple[_Step, ...], names: Mapping[str, Any]) -> Any:  # noqa: ANN401  any JSON value
    """What a chain of keys leads to. Raises ExpressionError as `look_up` does."""
    value: Any = names
    for step in steps:
        value = look_up(value, follow(step, names) if isinstance(step, tuple) else step)
    return value


# Choices

_Reader = Callable[[Mapping[str, Any]], Any]

_COMPARED: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_PLAIN: Final = re.compile(r"'([A-Za-z0-9 ._-]*)'|(0|[1-9][0-9]*)(?![\w.])")
_COMPARISON: Final = re.compile(r" (==|!=|<=|>=|<|>) ")


@lru_cache(maxsize=1024)
def choice(source: str) -> _Reader | None:
    """`a if b.c == 'd' else 1` as a function of the names; None when it is another kind of expression.

    It gives what Jinja gives, or fails in one way or another where Jinja's answer may be another one.
    """
    try:
        read, end = _choice(source, 0)
    except ValueError:
        return None
    return read if end == len(source) else None


def _choice(source: str, position: int) -> tuple[_Reader, int]:
    first, position = _operand(source, position)
    if not source.startswith(" if ", position):
        return first, position
    test, position = _test(source, position + len(" if "))
    if not source.startswith(" else ", position):
        raise ValueError
    other, position = _choice(source, position + len(" else "))
    return (lambda names: first(names) if test(names) else other(names)), position


def _test(source: str, position: int) -> tuple[_Reader, int]:
    left, position = _operand(source, position)
    symbol = _COMPARISON.match(source, position)
    if not symbol:
        return left, position
    compare = _COMPARED[symbol[1]]
    right, position = _operand(source, symbol.end())
    return (lambda names: compare(left(names), right(names))), position


def _operand(source: str, position: int) -> tuple[_Reader, int]:
    plain = _PLAIN.match(source, position)
    if plain:
        value = plain[1] if plain[2] is None else int(plain[2])
        return (lambda _: value), plain.end()
    steps, position = _chain(source, position)
    return partial(follow, steps), position
