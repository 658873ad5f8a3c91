"""The metric names and label matchers in a PromQL expression, without evaluating it.

Grammar: https://prometheus.io/docs/prometheus/latest/querying/basics/. Variables of Grafana (`$x`, `${x}`) may stand
anywhere; what contains one is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(
    r"""\s+ | \#[^\n]*
      | (?P<text>"(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | `[^`]*`)
      | (?P<variable>\$\{?\w+(?::\w+)?\}?)
      | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
      | (?P<number>[0-9][0-9a-zA-Z_.]*|\.[0-9]+)
      | (?P<sign>=~|!~|!=|==|<=|>=|[-+*/%^<>=(){}\[\],@:.])
      | (?P<other>.)""",
    re.VERBOSE,
)
_GROUPING: Final = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS: Final = frozenset({"and", "or", "unless", "bool", "offset", "atan2", "inf", "nan", "start", "end"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Selector:
    """One metric in an expression. `matchers` holds label -> value of those with `=`; `labels` all labels matched."""

    metric: str
    labels: tuple[str, ...] = ()
    matchers: tuple[tuple[str, str], ...] = ()


def selectors(expression: str) -> Iterator[Selector]:
    """Every selector that names its metric in plain text; text that is no PromQL gives what looks like one."""
    tokens = [
        (match.lastgroup or "", match.group()) for match in _TOKEN.finditer(expression) if match.lastgroup is not None
    ]
    index = 0
    while index < len(tokens):
        kind, text = tokens[index]
        following = tokens[index + 1][1] if index + 1 < len(tokens) else ""
        before = tokens[index - 1][0] if index else ""
        if kind == "sign" and text == "[":
            index = _closing(tokens, index, "[", "]") + 1
        elif kind == "name" and text.lower() in _GROUPING:
            index = (_closing(tokens, index + 1, "(", ")") if following == "(" else index) + 1
        elif kind == "name" and (following == "(" or following.lower() in ("by", "without")):
            index += 1  # a function or an aggregation
        elif kind == "name" and before != "variable" and text.lower() not in _WORDS:
            end = _closing(tokens, index + 1, "{", "}") if following == "{" else index
            if end == index or end + 1 >= len(tokens) or tokens[end + 1][0] != "variable":
                yield _selector(text, tokens[index + 2 : end])
            index = end + 1
        elif kind == "sign" and text == "{":
            end = _closing(tokens, index, "{", "}")
            found = _selector("", tokens[index + 1 : end])
            if found.metric:
                yield found
            index = end + 1
        else:
            index += 1


def _closing(tokens: list[tuple[str, str]], start: int, opening: str, closing: str) -> int:
    """The index of the bracket that closes the one at `start`, or of the last token."""
    depth = 0
    for index in range(start, len(tokens)):
        kind, text = tokens[index]
        if kind == "sign" and text in (opening, closing):
            depth += 1 if text == opening else -1
            if depth == 0:
                return index
    return len(tokens) - 1


def _selector(metric: str, inside: list[tuple[str, str]]) -> Selector:
    labels: list[str] = []
    matchers: list[tuple[str, str]] = []
    for index, (kind, text) in enumerate(inside):
        after = inside[index + 1][1] if index + 1 < len(inside) else ""
        if kind != "name" or after not in ("=", "!=", "=~", "!~"):
            continue
        value = inside[index + 2][1][1:-1] if index + 2 < len(inside) and inside[index + 2][0] == "text" else ""
        if text == "__name__":
            metric = value if after == "=" else metric
            continue
        labels.append(text)
        if after == "=":
            matchers.append((text, value))
    return Selector(metric=metric, labels=tuple(labels), matchers=tuple(matchers))
