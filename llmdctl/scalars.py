"""What a plain YAML scalar means to Helm: the rules of go-yaml 2, which sigs.k8s.io/yaml 1.6 reads with.

They are YAML 1.1 with exceptions (no base 60, `0o17` and `0b11` from Go, dates stay text), so neither PyYAML's
resolver nor YAML 1.2 gives the same answers. Every rule is compared with Helm itself in the tests.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

_PREFIX: Final = "tag:yaml.org,2002:"
_STR, _BOOL, _INT, _FLOAT, _NULL, _TIME, _BINARY = (
    _PREFIX + name for name in ("str", "bool", "int", "float", "null", "timestamp", "binary")
)
MERGE: Final = _PREFIX + "merge"

_TRUE: Final = ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")
_FALSE: Final = ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")
_WORDS: Final[dict[str, tuple[str, Scalar]]] = {
    **dict.fromkeys(_TRUE, (_BOOL, True)),
    **dict.fromkeys(_FALSE, (_BOOL, False)),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), (_NULL, None)),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), (_FLOAT, float("nan"))),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), (_FLOAT, float("inf"))),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), (_FLOAT, float("-inf"))),
}
# Only these first characters can begin anything but text.
_HINTS: Final = frozenset("+-0123456789yYnNtTfFoO~.")
_FLOAT_PATTERN: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
# What Go's ParseFloat takes after a leading dot; an underscore only between digits.
_DOT_FLOAT_PATTERN: Final = re.compile(r"\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?")
_INT_PATTERN: Final = re.compile(r"([-+]?)(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|[1-9][0-9]*|0)")
_ODD_BINARY_PATTERN: Final = re.compile(r"0b([-+]?[01]+)|-0b([01]+)")
_INT64: Final = (-(2**63), 2**63 - 1)
_UINT64_MAX: Final = 2**64 - 1


class ScalarError(ValueError):
    """A tag that the text does not fit, such as `!!int abc`."""


def resolve(text: str, tag: str | None) -> Scalar:
    """The value of a scalar that carries `tag` (full form), or of a plain one without tag (None).

    Integers outside 64 bits become floats, as in Helm. Raises ScalarError when an explicit tag does not fit.
    """
    if tag is None:
        return _plain(text)[1]
    if tag == _STR:
        return text
    if tag == _BINARY:
        return _binary(text)
    if tag not in (_BOOL, _INT, _FLOAT, _NULL, _TIME):
        return text  # `!anything` is text
    found, value = _plain(text)
    if tag == found:
        return value
    if tag == _TIME:
        raise ScalarError("the tag !!timestamp has no use: Helm reads dates as text, so leave it out")
    if tag == _FLOAT and found == _INT and isinstance(value, int) and value <= _INT64[1]:
        return float(value)
    raise ScalarError(f"'{text}' is no {tag.removeprefix(_PREFIX)}")


def key_text(value: Scalar) -> str:
    """The string that Helm makes of a mapping's key.

    Raises ScalarError for the keys that Helm refuses (null, integers above 64 bits), and for fractions: Helm would
    silently make `1.30` the key `1.3`.
    """
    if isinstance(value, str):
        return value
    if value is None:
        raise ScalarError("a key cannot be null")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if value > _INT64[1]:
            raise ScalarError(f"a key cannot be the number {value}: it has more than 64 bits")
        return str(value)
    raise ScalarError(f"a key cannot be the number {value}: put it in quotes")


def _plain(text: str) -> tuple[str, Scalar]:
    if text and text[0] not in _HINTS:
        return _STR, text
    word = _WORDS.get(text)
    if word is not None:
        return word
    if text[0] == ".":
        return (_FLOAT, _number(text)) if _DOT_FLOAT_PATTERN.fullmatch(text) else (_STR, text)
    if text[0] in "+-0123456789":
        return _numeric(text)
    return _STR, text


def _numeric(text: str) -> tuple[str, Scalar]:
    bare = text.replace("_", "")
    match = _INT_PATTERN.fullmatch(bare)
    if match:
        sign, digits = match.groups()
        number = _integer(digits) * (-1 if sign == "-" else 1)
        # Go reads a signed number as int64 and one without sign also as uint64; what fits neither may be a float.
        if _INT64[0] <= number <= _INT64[1] or (not sign and number <= _UINT64_MAX):
            return _INT, number
    if _FLOAT_PATTERN.fullmatch(bare):
        number_or_text = _number(bare)
        return (_FLOAT, number_or_text) if isinstance(number_or_text, float) else (_STR, text)
    odd = _ODD_BINARY_PATTERN.fullmatch(bare)
    if odd:
        number = int(odd[1], 2) if odd[1] else -int(odd[2], 2)
        if _INT64[0] <= number <= _INT64[1]:
            return _INT, number
    return _STR, text


def _integer(digits: str) -> int:
    prefix = digits[:2].lower()
    if prefix in ("0x", "0o", "0b"):
        return int(digits, {"0x": 16, "0o": 8, "0b": 2}[prefix])
    return int(digits, 8) if digits[0] == "0" else int(digits)


def _number(text: str) -> float | str:
    value = float(text)
    return value if abs(value) != float("inf") else text  # out of range: Go keeps the text


def _binary(text: str) -> str:
    try:
        return base64.b64decode(re.sub(r"[\r\n]", "", text), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as cause:
        raise ScalarError("!!binary holds no text in base64") from cause
