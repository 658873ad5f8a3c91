"""Scalars with `{{ expressions }}` in them, as they stand in a path or facet file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llmdctl.errors import Problem
from llmdctl.model.document import Mark, json_path


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a scalar: text, or the source of an expression."""

    text: str
    is_expression: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A scalar that holds at least one expression, with its place for messages."""

    text: str
    parts: tuple[Part, ...]
    file: str
    line: int
    path: tuple[str | int, ...]  # inside the file

    @property
    def whole(self) -> bool:
        """Whether the scalar is one expression and nothing else; its result then keeps its type."""
        return len(self.parts) == 1

    def problem(self, message: str, suggestion: str | None = None) -> Problem:
        """A mistake in this scalar."""
        return Problem(
            file=self.file, line=self.line, path=json_path(self.path), message=message, suggestion=suggestion
        )


def split(text: str) -> tuple[Part, ...]:
    """`a{{ x }}b` as its parts; text without `{{` is one part.

    Raises ValueError when a `{{` is never closed.
    """
    parts: list[Part] = []
    position = 0
    while (start := text.find("{{", position)) >= 0:
        if start > position:
            parts.append(Part(text[position:start], False))
        end = _close(text, start + 2)
        parts.append(Part(text[start + 2 : end].strip(), True))
        position = end + 2
    if position < len(text) or not parts:
        parts.append(Part(text[position:], False))
    return tuple(parts)


def _close(text: str, position: int) -> int:
    """Where the `}}` is that ends an expression; one inside quotes does not count."""
    quote = ""
    while position < len(text):
        character = text[position]
        if quote:
            if character == "\\":
                position += 1
            elif character == quote:
                quote = ""
        elif character in "'\"":
            quote = character
        elif text.startswith("}}", position):
            return position
        position += 1
    raise ValueError("'{{' is never closed by '}}'")


def with_templates(value: Any, mark: Mark, file: str, path: tuple[str | int, ...], problems: list[Problem]) -> Any:  # noqa: ANN401
    """A copy of `value` in which every string with an expression is a Template; mistakes go to `problems`."""
    if isinstance(value, dict):
        result = {}
        for key, inner in value.items():
            if "{{" in key:
                problems.append(
                    Problem(
                        file=file,
                        line=mark.at((key,)).line,
                        path=json_path(path),
                        message=f"the key '{key}' holds an expression; only values may.",
                    )
                )
            result[key] = with_templates(inner, mark.at((key,)), file, (*path, key), problems)
        return result
    if isinstance(value, list):
        return [
            with_templates(inner, mark.at((index,)), file, (*path, index), problems)
            for index, inner in enumerate(value)
        ]
    if isinstance(value, str) and "{{" in value:
        try:
            return Template(text=value, parts=split(value), file=file, line=mark.line, path=path)
        except ValueError as wrong:
            problems.append(Problem(file=file, line=mark.line, path=json_path(path), message=f"{wrong}."))
    return value


def as_written(value: Any) -> Any:  # noqa: ANN401  any JSON value
    """The reverse of `with_templates`."""
    if isinstance(value, Template):
        return value.text
    if isinstance(value, dict):
        return {key: as_written(inner) for key, inner in value.items()}
    return [as_written(inner) for inner in value] if isinstance(value, list) else value
