"""The part of CEL in which device classes and claims choose devices; anything else is said to be not understood.

Understood: `&&`, `||`, `!`, parentheses, comparisons, `in [..]`, strings, numbers, booleans, `device.driver`,
`device.attributes["domain"].name`, `device.capacity["domain"].name`, the string methods `matches`, `startsWith`,
`endsWith`, `contains`, `lowerAscii`; `compareTo`, `isGreaterThan`, `isLessThan` with `quantity(..)` or `semver(..)`.
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/resource-claim-v1/ (selectors.cel.expression)
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from llmdctl.model.quantity import exact
from llmdctl.preflight.slices import PublishedDevice

Test = Callable[[PublishedDevice], Any]


class UnsupportedError(Exception):
    """The expression uses what this reader of CEL does not understand."""


class _AbsentError(Exception):
    """The device has no such attribute: in CEL an error, so the device is not chosen."""


_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<string>r?"(?:[^"\\]|\\.)*"|r?'(?:[^'\\]|\\.)*')"""
    r"""|(?P<name>[A-Za-z_]\w*)|(?P<mark>&&|\|\||==|!=|<=|>=|[<>!().,\[\]]))"""
)
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_METHODS: Final[dict[str, Callable[..., Any]]] = {
    "matches": lambda text, pattern: re.search(pattern, text) is not None,
    "startsWith": lambda text, part: text.startswith(part),
    "endsWith": lambda text, part: text.endswith(part),
    "contains": lambda text, part: part in text,
    "lowerAscii": lambda text: text.lower(),
    "compareTo": lambda left, right: (_comparable(left) > right) - (_comparable(left) < right),
    "isGreaterThan": lambda left, right: _comparable(left) > right,
    "isLessThan": lambda left, right: _comparable(left) < right,
}


def chooses(expression: str, device: PublishedDevice) -> bool:
    """Whether an expression is true of a device. Raises UnsupportedError."""
    try:
        return _compiled(expression)(device) is True
    except (_AbsentError, TypeError, AttributeError, re.error):
        return False


@lru_cache(maxsize=256)
def _compiled(expression: str) -> Test:
    reader = _Reader(_tokens(expression))
    test = reader.either()
    if reader.peek():
        raise UnsupportedError(expression)
    return test


def _tokens(expression: str) -> list[tuple[str, str]]:
    found, place = [], 0
    text = expression.strip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if not match or match.lastgroup is None:
            raise UnsupportedError(expression)
        found.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return found


class _Reader:
    """Recursive descent, loosest operator first."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._place = 0

    def peek(self) -> str:
        return self._tokens[self._place][1] if self._place < len(self._tokens) else ""

    def either(self) -> Test:
        left = self._both()
        while self._taken("||"):
            left = _joined(left, self._both(), any)
        return left

    def _both(self) -> Test:
        left = self._compared()
        while self._taken("&&"):
            left = _joined(left, self._compared(), all)
        return left

    def _compared(self) -> Test:
        left = self._prefixed()
        sign = self.peek()
        if sign in _COMPARE:
            self._place += 1
            return _applied(_COMPARE[sign], left, self._prefixed())
        if sign == "in":
            self._place += 1
            return _applied(lambda one, many: one in many, left, self._prefixed())
        return left

    def _prefixed(self) -> Test:
        if self._taken("!"):
            return _applied(operator.not_, self._prefixed())
        return self._followed(self._primary())

    def _primary(self) -> Test:
        kind, text = self._next()
        if kind in ("string", "number") or text in ("true", "false"):
            return _constant(kind, text)
        if text == "(":
            inside = self.either()
            self._need(")")
            return inside
        if text == "[":
            return self._list()
        if text == "device":
            return self._device()
        if text in ("quantity", "semver"):
            return self._constructed(text)
        raise UnsupportedError(text)

    def _list(self) -> Test:
        parts: list[Test] = []
        while not self._taken("]"):
            parts.append(self.either())
            self._taken(",")
        return lambda device: [part(device) for part in parts]

    def _constructed(self, name: str) -> Test:
        self._need("(")
        inside = self.either()
        self._need(")")
        return _applied(exact if name == "quantity" else _version, inside)

    def _device(self) -> Test:
        self._need(".")
        _, field = self._next()
        if field == "driver":
            return lambda device: device.driver
        if field not in ("attributes", "capacity"):
            raise UnsupportedError(f"device.{field}")
        self._need("[")
        kind, domain = self._next()
        self._need("]")
        if kind != "string":
            raise UnsupportedError(domain)
        if not self._taken("."):
            return lambda device: _within(device, field, _text(domain))
        _, name = self._next()
        return lambda device: _present(_within(device, field, _text(domain)), name)

    def _followed(self, value: Test) -> Test:
        while self._taken("."):
            _, name = self._next()
            if name not in _METHODS:
                raise UnsupportedError(name)
            self._need("(")
            arguments: list[Test] = []
            while not self._taken(")"):
                arguments.append(self.either())
                self._taken(",")
            value = _applied(_METHODS[name], value, *arguments)
        return value

    def _next(self) -> tuple[str, str]:
        if self._place >= len(self._tokens):
            raise UnsupportedError("an expression that ends early")
        self._place += 1
        return self._tokens[self._place - 1]

    def _taken(self, text: str) -> bool:
        found = self.peek() == text
        self._place += found
        return found

    def _need(self, text: str) -> None:
        if not self._taken(text):
            raise UnsupportedError(self.peek() or "an expression that ends early")


def _constant(kind: str, text: str) -> Test:
    value: object = _text(text) if kind == "string" else Fraction(text) if kind == "number" else text == "true"
    return lambda _: value


def _joined(left: Test, right: Test, how: Callable[[Any], bool]) -> Test:
    return lambda device: how(side(device) is True for side in (left, right))


def _applied(function: Callable[..., Any], *arguments: Test) -> Test:
    return lambda device: function(*(argument(device) for argument in arguments))


def _within(device: PublishedDevice, field: str, domain: str) -> Mapping[str, Any]:
    """What a device says under one domain: bare names are its driver's."""
    stated: Mapping[str, Any] = device.attributes if field == "attributes" else device.capacity
    own = {name: value for name, value in stated.items() if "/" not in name} if domain == device.driver else {}
    return own | {
        name.removeprefix(f"{domain}/"): value for name, value in stated.items() if name.startswith(f"{domain}/")
    }


def _present(values: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401  any attribute's value
    if name not in values:
        raise _AbsentError(name)
    return values[name]


def _text(token: str) -> str:
    if token.startswith("r"):
        return token[2:-1]
    return re.sub(r"\\(.)", r"\1", token[1:-1])


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text.partition("+")[0].partition("-")[0])[:3])


def _comparable(value: object) -> Any:  # noqa: ANN401  a version or a quantity
    return _version(value) if isinstance(value, str) else value
