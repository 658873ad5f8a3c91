"""What a person lays over a recipe: values files, `--role` and `--set`, each a layer with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from llmdctl.errors import Problem, RecipeError, UsageError
from llmdctl.merge import apply_set, leaves, merge
from llmdctl.model.document import Document
from llmdctl.model.recipe import Layer
from llmdctl.model.selection import Overrides
from llmdctl.recipe.names import nearest
from llmdctl.recipe.reader import read


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlaid:
    """Values with the user's changes, and those changes as layers."""

    values: dict[str, Any]
    layers: tuple[Layer, ...]

    @property
    def keys(self) -> frozenset[tuple[str, ...]]:
        """Every leaf key that the user has set."""
        return frozenset(path for layer in self.layers for path, _ in leaves(layer.values))


def overlay(values: Mapping[str, Any], overrides: Overrides, roles: Sequence[str]) -> Overlaid:
    """`values` with the user's files, then `--role`, then `--set`.

    Raises RecipeError or UsageError with every mistake of the files, or of the arguments.
    """
    result = dict(values)
    layers: list[Layer] = []
    for document in _documents(overrides):
        result = merge(result, document.value)
        layers.append(Layer(name="user", source=document.file, values=document.value, mark=document.mark))
    problems: list[Problem] = []
    for setting in (
        *_role_settings(overrides, roles, problems),
        *(_Setting("--set", text, text) for text in overrides.sets),
    ):
        try:
            result, layer = _set(result, setting)
        except UsageError as wrong:
            problems += wrong.problems
        else:
            layers.append(layer)
    if problems:
        raise RecipeError("The settings cannot be applied.", problems=tuple(problems))
    return Overlaid(values=result, layers=tuple(layers))


class _Setting(NamedTuple):
    """One argument: its option, as it was written, and as `--set` would take it."""

    option: str
    written: str
    argument: str


def _documents(overrides: Overrides) -> list[Document]:
    documents: list[Document] = []
    problems: list[Problem] = []
    for file in overrides.files:
        try:
            documents.append(read(file))
        except RecipeError as wrong:
            problems += wrong.problems
    if problems:
        raise RecipeError("The values files cannot be used.", problems=tuple(problems))
    return documents


def _role_settings(overrides: Overrides, roles: Sequence[str], problems: list[Problem]) -> Iterator[_Setting]:
    """`prefill.replicas=4` as settings of `modelserver.roles`; roles that the recipe has not go to `problems`."""
    for text in overrides.role_settings:
        role, dot, _ = text.partition(".")
        if dot and role in roles:
            yield _Setting("--role", text, f"modelserver.roles.{text}")
            continue
        close = nearest(role, roles)
        message = f"'{text}': the recipe has no role '{role}'." if dot else f"'{text}' does not say ROLE.KEY=VALUE."
        remedy = None if close else f"It has {', '.join(roles)}."
        problems.append(Problem(file="--role", message=message, suggestion=close, remedy=remedy))


def _set(values: Mapping[str, Any], setting: _Setting) -> tuple[dict[str, Any], Layer]:
    option, written, argument = setting
    changed = apply_set(argument, values, option=option, shown_as=written)
    stated: dict[str, Any] = {}
    for path, _ in leaves(apply_set(argument, {}, option=option, shown_as=written)):
        stated = merge(stated, _nested(path, _at(changed, path)))
    return changed, Layer(name=option, source=f"{option} {written}", values=stated)


def _at(values: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401  any JSON value
    for step in path:
        values = values[step]
    return values


def _nested(path: tuple[str, ...], value: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON value
    for step in reversed(path):
        value = {step: value}
    result: dict[str, Any] = value
    return result
