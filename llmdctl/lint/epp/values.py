"""One value against the shape that the endpoint picker's decoder expects there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from llmdctl.lint.epp.catalogue import Catalogue, Number, Shape
from llmdctl.lint.epp.remark import Place, Remark, nearest, remark
from llmdctl.model.finding import Severity

# Go's time.ParseDuration: https://pkg.go.dev/time#ParseDuration
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_DURATION: Final = re.compile(rf"[-+]?(?:0|(?:{_PART.pattern})+)")
# https://pkg.go.dev/k8s.io/apimachinery/pkg/api/resource#Quantity
_QUANTITY: Final = re.compile(r"([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:[KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?")

_WORDS: Final = {
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping",
    "strings": "a list of texts",
    "objects": "a list of mappings",
    "labels": "a mapping of texts to texts",
    "duration": "a duration such as 30s",
    "nanoseconds": "an integer of nanoseconds",
    "quantity": "a quantity such as 1Gi",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Judge:
    """Judges values of one kind of place: top-level fields, or parameters of one plugin."""

    catalogue: Catalogue
    unknown_code: str
    wrong_code: str
    strict: bool  # unknown keys are refused; otherwise they are ignored
    any_case: bool  # Go's JSON decoder takes keys in any case where it decodes parameters

    def table(self, value: Any, fields: Mapping[str, Shape], path: Place) -> Iterator[Remark]:  # noqa: ANN401
        """A mapping against the fields that it may have; None is an empty one."""
        if value is None:
            return
        if not isinstance(value, Mapping):
            yield remark(self.wrong_code, path, f"{_name(path)} wants a mapping, not {_kind(value)}.")
            return
        for key, inner in value.items():
            name = self.known(str(key), fields)
            if name is None:
                yield self._unknown(str(key), fields, (*path, str(key)))
            else:
                yield from self.value(inner, fields[name], (*path, str(key)))
        for name, shape in fields.items():
            if shape.required and not any(
                self.known(str(key), {name: shape}) and value[key] is not None for key in value
            ):
                yield remark(self.wrong_code, path, f"{_name(path)} lacks '{name}', which is required.")

    def known(self, key: str, fields: Mapping[str, Shape]) -> str | None:
        """The field that `key` sets, or None."""
        if key in fields:
            return key
        if self.any_case:
            return next((name for name in fields if name.lower() == key.lower()), None)
        return None

    def value(self, value: Any, shape: Shape, path: Place) -> Iterator[Remark]:  # noqa: ANN401
        """A single value; null means absent everywhere."""
        if value is None:
            return
        yield from self._release(shape, path)
        if not _fits(value, shape.type):
            if shape.lenient and isinstance(value, str):
                message = f"{_name(path)}: '{value}' is no duration; the default {shape.default} is used instead."
                yield remark("LD1812", path, message)
                return
            yield remark(self.wrong_code, path, f"{_name(path)} wants {_WORDS[shape.type]}, not {_shown(value)}.")
            return
        if shape.ignored:
            yield remark("LD1812", path, f"{_name(path)} has no effect in {self.catalogue.version}.", "Remove it.")
        if shape.type == "object" and shape.fields:
            yield from self.table(value, shape.fields, path)
        elif shape.type == "objects":
            for index, row in enumerate(value):
                yield from self.table({} if row is None else row, shape.fields, (*path, index))
        else:
            yield from self._limits(value, shape, path)

    def _release(self, shape: Shape, path: Place) -> Iterator[Remark]:
        release = self.catalogue.release
        if shape.since:
            message = f"{_name(path)} is known to builds after {release} only, as far as their source says."
            yield remark("LD1830", path, message, f"Try it with the image that is used, or leave it out for {release}.")
        if shape.until:
            message = f"{_name(path)} is known to {release} as far as its source says, and gone in later builds."
            yield remark("LD1830", path, message, "Leave it out.")

    def _unknown(self, key: str, fields: Mapping[str, Shape], path: Place) -> Remark:
        hint = nearest(key, fields)
        if self.strict:
            return remark(self.unknown_code, path, f"'{key}' is unknown here in {self.catalogue.version}.", hint)
        message = f"'{key}' is unknown here and silently ignored by {self.catalogue.version}."
        return remark(self.unknown_code, path, message, hint, severity=Severity.WARNING)

    def _limits(self, value: Any, shape: Shape, path: Place) -> Iterator[Remark]:  # noqa: ANN401
        if shape.enum and isinstance(value, str) and value not in shape.enum:
            yield self._choice(value, shape, path)
        amount = _amount(value, shape.type)
        if amount is None or amount in shape.also:
            return
        if shape.replaced and shape.replaced.hits(amount):
            instead = "the default" if shape.replaced.by is None else shape.replaced.by
            if shape.replaced.by is None and shape.default is not None:
                instead = f"the default {shape.default}"
            yield remark("LD1812", path, f"{_name(path)}: {value} is silently replaced by {instead}.")
        bounds = _bounds(amount, shape)
        if bounds:
            yield remark(self.wrong_code, path, f"{_name(path)} must be {bounds}, not {value}.")
        elif not shape.range_checked and amount < 0 and str(path[-1]).endswith("Weight"):
            yield remark("LD1812", path, f"{_name(path)}: the negative weight {value} is taken as it is.")

    def _choice(self, value: str, shape: Shape, path: Place) -> Remark:
        allowed = ", ".join(shape.enum)
        if shape.enum_checked:
            message = f"{_name(path)} must be one of {allowed}, not '{value}'."
            return remark(self.wrong_code, path, message, nearest(value, shape.enum))
        message = f"{_name(path)}: '{value}' is none of {allowed}, and the endpoint picker does not say so."
        return remark("LD1812", path, message, nearest(value, shape.enum))


def seconds(text: str) -> float | None:
    """A Go duration in seconds, or None where it is none."""
    if not _DURATION.fullmatch(text):
        return None
    sign = -1.0 if text.startswith("-") else 1.0
    return sign * sum(float(amount) * _UNITS[unit] for amount, unit in _PART.findall(text))


def _fits(value: Any, kind: str) -> bool:  # noqa: ANN401, PLR0911 - one line a kind
    if kind in ("integer", "nanoseconds"):
        return _whole(value)
    if kind == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "string":
        return isinstance(value, str)
    if kind == "duration":
        return isinstance(value, str) and seconds(value) is not None
    if kind == "quantity":
        return _fits(value, "number") or (isinstance(value, str) and _QUANTITY.fullmatch(value) is not None)
    if kind in ("strings", "objects"):
        inner = str if kind == "strings" else Mapping
        return isinstance(value, list) and all(isinstance(item, inner) or item is None for item in value)
    if kind == "labels":
        return isinstance(value, Mapping) and all(isinstance(item, str) or item is None for item in value.values())
    return isinstance(value, Mapping)


def _whole(value: Any) -> bool:  # noqa: ANN401
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _amount(value: Any, kind: str) -> Number | None:  # noqa: ANN401
    """The number that limits are compared with: seconds of a duration, the sign at least of a quantity."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return value
    if kind == "duration":
        return seconds(value)
    match = _QUANTITY.fullmatch(value) if kind == "quantity" else None
    return float(match[1]) if match else None


def _bounds(amount: Number, shape: Shape) -> str:
    """What the number must be when it is not, else an empty string."""
    low, high, above = shape.minimum, shape.maximum, shape.exclusive_minimum
    bad = (
        (low is not None and amount < low)
        or (high is not None and amount > high)
        or (above is not None and amount <= above)
    )
    if not bad:
        return ""
    parts = [f"at least {low}" if low is not None else "", f"above {above}" if above is not None else ""]
    return " and ".join(part for part in [*parts, f"at most {high}" if high is not None else ""] if part)


def _name(path: Place) -> str:
    return f"'{next((step for step in reversed(path) if isinstance(step, str)), 'the configuration')}'"


def _kind(value: Any) -> str:  # noqa: ANN401
    return "a list" if isinstance(value, list) else "a mapping" if isinstance(value, Mapping) else _shown(value)


def _shown(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text '{value}'" if len(value) <= 40 else "a text"
    if isinstance(value, (int, float)):
        return str(value)
    return "a list" if isinstance(value, list) else "a mapping"
