"""Writes values as YAML that Helm reads back unchanged.

Go's reader takes more words for booleans, numbers and null than Python's writer expects (`y`, `1e3`, `0o17`, `1_0`),
so only text that begins like a word and is none of them stays plain; everything else is quoted as in JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_PLAIN: Final = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@+-]*([:=][A-Za-z0-9_./@+-]+)*( [A-Za-z0-9_./@+-]+)*")
_WORDS: Final = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
_LINE: Final = re.compile(r"[ -~\u00a0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*[!-~\u00a1-\ud7ff]")
_ODD: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def to_yaml(values: Mapping[str, Any], *, comment: str = "") -> str:
    """`values` as a YAML document, after `comment` as comment lines.

    Keys keep their order; integers stay integers. Raises ValueError for what YAML and JSON cannot both hold: NaN,
    infinity, half a surrogate pair, and anything that is no JSON value.
    """
    lines = [f"# {line}".rstrip() for line in comment.splitlines()]
    lines += list(_mapping(values, 0)) if values else ["{}"]
    return "\n".join(lines) + "\n"


def _mapping(values: Mapping[str, Any], indent: int) -> Iterator[str]:
    pad = " " * indent
    for key, value in values.items():
        head = f"{pad}{_text(str(key))}:"
        if isinstance(value, Mapping) and value:
            yield head
            yield from _mapping(value, indent + 2)
        elif isinstance(value, list | tuple) and value:
            yield head
            yield from _sequence(value, indent + 2)
        elif isinstance(value, str) and _is_block(value):
            yield from _block(head, value, indent + 2)
        else:
            yield f"{head} {_scalar(value)}"


def _sequence(values: list[Any] | tuple[Any, ...], indent: int) -> Iterator[str]:
    pad = " " * indent
    for value in values:
        if isinstance(value, Mapping) and value:
            first, *rest = _mapping(value, indent + 2)
            yield f"{pad}- {first[indent + 2 :]}"
            yield from rest
        elif isinstance(value, list | tuple) and value:
            first, *rest = _sequence(value, indent + 2)
            yield f"{pad}- {first[indent + 2 :]}"
            yield from rest
        elif isinstance(value, str) and _is_block(value):
            yield from _block(f"{pad}-", value, indent + 2)
        else:
            yield f"{pad}- {_scalar(value)}"


def _scalar(value: Any) -> str:  # noqa: ANN401  any JSON value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        if not abs(value) < float("inf"):
            raise ValueError(f"{value} cannot be written: JSON has no such number")
        return repr(float(value))
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping | list | tuple):
        return "{}" if isinstance(value, Mapping) else "[]"
    raise ValueError(f"{type(value).__name__} is no JSON value")


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.casefold() not in _WORDS:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    quoted = _ODD.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
    quoted.encode()  # half a surrogate pair raises UnicodeEncodeError, a ValueError
    return quoted


def _is_block(text: str) -> bool:
    """Whether text of several lines reads well, and unchanged, after `|`."""
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < 2 or not lines[0] or not lines[-1] or lines[0].startswith(" "):
        return False
    return not _ODD.search(text) and all(not line or _LINE.fullmatch(line) for line in lines)


def _block(head: str, text: str, indent: int) -> Iterator[str]:
    yield f"{head} |" if text.endswith("\n") else f"{head} |-"
    for line in text.removesuffix("\n").split("\n"):
        yield " " * indent + line if line else ""
