"""JSON Schema to readable mistakes: place in the file, JSON path, what is wrong, the nearest valid name.

`jsonschema` is imported on first use: it costs 0.1 s, and files that are shipped were validated before they were.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmdctl.errors import Problem
from llmdctl.model.document import Document, json_path
from llmdctl.recipe.names import choices, nearest

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

KeyPath = tuple[str | int, ...]
Locate = Callable[[KeyPath], tuple[str | None, int | None]]
"""From the path of a value to the file and line where it stands, as far as known."""


@lru_cache(maxsize=32)
def load(file: Path) -> Mapping[str, Any]:
    """A schema file, read once."""
    content: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def problems_of(document: Document, schema: Mapping[str, Any]) -> list[Problem]:
    """Every mistake of a file against a schema, in the order of its lines."""

    def locate(path: KeyPath) -> tuple[str, int]:
        return document.file, document.line(path)

    found = [problem for _, problem in problems(document.value, schema, locate)]
    return sorted(found, key=lambda problem: (problem.line or 0, problem.message))


def problems(
    value: Any,  # noqa: ANN401  any JSON value
    schema: Mapping[str, Any],
    locate: Locate,
    prefix: KeyPath = (),
    *,
    partial: bool = False,
) -> Iterator[tuple[KeyPath, Problem]]:
    """Every mistake of a value against a schema of draft 2020-12 or draft 7, with the path it concerns.

    `prefix` is where the value lies in the whole. A `partial` value may lack keys that the schema requires.
    """
    from jsonschema.validators import validator_for

    validator = validator_for(schema)(schema)
    for error in validator.iter_errors(value):
        yield from _explained(error, locate, prefix, partial)


def _explained(
    error: ValidationError, locate: Locate, prefix: KeyPath, partial: bool
) -> Iterator[tuple[KeyPath, Problem]]:
    """One schema error as problems: of alternatives, the one that comes nearest is explained."""
    if error.context:
        nearest_error = _nearest_branch(error)
        if nearest_error is not None:
            yield from _explained(nearest_error, locate, prefix, partial)
            return
    path = (*prefix, *error.absolute_path)
    if error.validator == "required":
        if not partial:
            yield path, _missing_key(error, path, locate)
    elif error.validator == "additionalProperties":
        yield from _unknown_keys(error, path, locate)
    else:
        file, line = locate(path)
        message, suggestion = _message(error)
        yield path, Problem(file=file, line=line, path=json_path(path) or None, message=message, suggestion=suggestion)


def _nearest_branch(error: ValidationError) -> ValidationError | None:
    """Of `anyOf`/`oneOf`, the deepest error of the branch whose type fits; None when no type fits."""
    deep = [inner for inner in error.context or () if inner.validator != "type" or len(inner.path) > 0]
    return max(deep, key=lambda inner: len(inner.absolute_path), default=None) if deep else None


def _unknown_keys(error: ValidationError, path: KeyPath, locate: Locate) -> Iterator[tuple[KeyPath, Problem]]:
    import re

    schema: Any = error.schema
    instance: Any = error.instance
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for key in instance:
        if key in known or any(re.search(pattern, key) for pattern in patterns):
            continue
        file, line = locate((*path, key))
        close = nearest(key, known)
        yield (
            (*path, key),
            Problem(
                file=file,
                line=line,
                path=json_path((*path, key)),
                message=f"there is no key '{key}' here.",
                suggestion=close,
                remedy=None if close else choices(known),
            ),
        )


def _missing_key(error: ValidationError, path: KeyPath, locate: Locate) -> Problem:
    # jsonschema yields one error for each missing key, and names it in the message alone.
    wanted: Any = error.validator_value
    key = next((key for key in wanted if f"'{key}'" in error.message), "")
    file, line = locate(path)
    return Problem(file=file, line=line, path=json_path(path) or None, message=f"the key '{key}' is missing.")


def _message(error: ValidationError) -> tuple[str, str | None]:
    """The sentence for one kind of error, and the nearest valid value."""
    value, shown = error.instance, _shown(error.instance)
    wanted: Any = error.validator_value
    suggestion = None
    match error.validator:
        case "type":
            types = [wanted] if isinstance(wanted, str) else wanted
            text = f"{shown} is not {' or '.join(_ARTICLES.get(name, name) for name in types)}."
            if "string" in types and isinstance(value, bool | int | float):
                text = f"{text[:-1]}; put it in quotes."
        case "enum":
            options = [str(option) for option in wanted if option is not None]
            text, suggestion = f"{shown} is not one of {', '.join(options)}.", nearest(str(value), options)
        case "const":
            text = f"{shown} is not {_shown(wanted)}."
        case "pattern":
            text = f"{shown} does not look like {wanted}."
        case "minimum" | "exclusiveMinimum":
            text = f"{shown} is below {wanted}."
        case "maximum" | "exclusiveMaximum":
            text = f"{shown} is above {wanted}."
        case "minItems" | "minLength" | "minProperties":
            text = "it must not be empty." if wanted == 1 else f"it holds fewer than {wanted}."
        case _:
            text = f"{error.message}."
    return text, suggestion


_ARTICLES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
_LONGEST = 40  # characters of a value that a message quotes


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "a list"
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return f"'{text}'" if isinstance(value, str) else text
