"""Evaluates the expressions of composed values, each at most once, and finds those that depend on themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from llmdctl.errors import Problem
from llmdctl.model.document import json_path
from llmdctl.recipe.expressions import evaluate
from llmdctl.recipe.lookups import ExpressionError
from llmdctl.recipe.templates import Template

KeyPath = tuple[str, ...]

ROLE_KEYS: Final[Mapping[str, tuple[KeyPath, int]]] = {
    "replicas": (("replicas",), 1),
    "tensor": (("parallelism", "tensor"), 1),
    "pipeline": (("parallelism", "pipeline"), 1),
    "data": (("parallelism", "data"), 1),
    "nodes": (("nodes",), 1),
    "max_model_len": (("maxModelLen",), 0),
}
"""What `role.*` means: the key below a role, and the default of charts/modelserver (a test compares the two)."""

_ROLE_MAPS: Final = (("modelserver", "roles"), ("autoscaling", "roles"), ("global", "llmd", "roles"))


class Lazy(Mapping[str, Any]):
    """A namespace whose values are computed when an expression asks for them."""

    def __init__(self, values: Mapping[str, Callable[[], Any]]) -> None:
        self._values = values

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401  a scalar
        return self._values[key]()

    def __contains__(self, key: object) -> bool:
        return key in self._values  # Mapping's own would compute the value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class _ReportedElsewhere(ExpressionError):
    """An expression needs another one, whose mistake is in `problems` already."""


class Evaluation:
    """Composed values on their way from templates to plain values."""

    def __init__(self, values: Mapping[str, Any], names: Mapping[str, Any]) -> None:
        self.problems: list[Problem] = []
        self._values = values
        self._names = names
        self._results: dict[int, Any] = {}  # by identity of the template
        self._failed: set[int] = set()
        self._open: list[Template] = []

    def result(self) -> dict[str, Any]:
        """The values with every template replaced; what could not be is None, and in `problems`."""
        return {key: self._evaluated(value, (key,)) for key, value in self._values.items()}

    def role_value(self, role: str, key: str) -> Any:  # noqa: ANN401  a scalar
        """A number of one role: its own, else that of `roleDefaults`, else the chart's default.

        Raises ExpressionError.
        """
        below, default = ROLE_KEYS[key]
        own, shared = ("modelserver", "roles", role, *below), ("modelserver", "roleDefaults", *below)
        for path in (own, shared):
            found: Any = self._values
            for step in path:
                found = found.get(step) if isinstance(found, Mapping) else None
            if found is not None:
                return self._scalar(found, path) if isinstance(found, Template) else found
        return default

    def _evaluated(self, value: Any, path: KeyPath) -> Any:  # noqa: ANN401  any JSON value
        if value is None or isinstance(value, str | int | float):
            return value  # most are: asking them whether they are a Mapping is slow
        if isinstance(value, Template):
            try:
                return self._scalar(value, path)
            except _ReportedElsewhere:
                return None
        if isinstance(value, Mapping):
            return {key: self._evaluated(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._evaluated(inner, path) for inner in value]
        return value

    def _scalar(self, template: Template, path: KeyPath) -> Any:  # noqa: ANN401  a scalar
        if id(template) in self._results:
            return self._results[id(template)]
        if id(template) in self._failed:
            raise _ReportedElsewhere("")
        if any(template is outer for outer in self._open):
            circle = " -> ".join(json_path(outer.path) for outer in [*self._open, template])
            raise ExpressionError(f"the expression depends on itself: {circle}.")
        self._open.append(template)
        try:
            result = _filled(template, self._context(path))
        except ExpressionError as wrong:
            self._failed.add(id(template))
            if not isinstance(wrong, _ReportedElsewhere):
                self.problems.append(template.problem(wrong.message, wrong.suggestion))
            raise _ReportedElsewhere(wrong.message) from wrong
        finally:
            self._open.pop()
        self._results[id(template)] = result
        return result

    def _context(self, path: KeyPath) -> Mapping[str, Any]:
        for prefix in _ROLE_MAPS:
            if path[: len(prefix)] == prefix and len(path) > len(prefix):
                return {**self._names, "role": self._role(path[len(prefix)])}
        return self._names

    def _role(self, role: str) -> Lazy:
        numbers = {key: self._reader(role, key) for key in ROLE_KEYS}
        return Lazy({"name": lambda: role, **numbers})

    def _reader(self, role: str, key: str) -> Callable[[], Any]:
        return lambda: self.role_value(role, key)


def _filled(template: Template, names: Mapping[str, Any]) -> Any:  # noqa: ANN401  a scalar
    """The value of a template: of one expression alone, its result; else text.

    Raises ExpressionError.
    """
    if template.whole:
        return evaluate(template.parts[0].text, names)
    return "".join(
        _text(evaluate(part.text, names), part.text) if part.is_expression else part.text for part in template.parts
    )


def _text(value: Any, source: str) -> str:  # noqa: ANN401  a scalar
    if value is None:
        raise ExpressionError(f"'{source}' gives null, which cannot stand inside text.")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
