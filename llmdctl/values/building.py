"""From a composed recipe to a release."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from llmdctl import assets
from llmdctl.errors import RecipeError, UsageError
from llmdctl.merge import merge
from llmdctl.model.recipe import Recipe
from llmdctl.model.release import ReleaseSpec
from llmdctl.values.computed import computed, contradictions, value_at

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_NAME: Final = 53  # Helm's limit for a release
_DEFAULT_STARTUP_S: Final = 3600  # of charts/modelserver (a test compares the two)
_FIRST: Final = ("global", "gateway", "scheduler", "modelserver", "kvstore", "autoscaling", "monitoring")


def build(recipe: Recipe, *, name: str, namespace: str) -> ReleaseSpec:
    """The release of a recipe under a name: the umbrella chart with the completed values.

    Raises UsageError for a name that Helm or Kubernetes would refuse, RecipeError for sizes that contradict the facts.
    """
    _check_name(name, "release", _LONGEST_NAME)
    _check_name(namespace, "namespace", 63)
    values = complete(recipe)
    return ReleaseSpec(
        name=name,
        namespace=namespace,
        chart=assets.charts() / "llmd",
        values=values,
        recipe=recipe.path,
        facets=recipe.facets,
        evidence=recipe.evidence.level,
        prerequisites=recipe.prerequisites,
        startup_s=int(value_at(values, ("modelserver", "sizing", "startupSeconds")) or _DEFAULT_STARTUP_S),
        forced=recipe.forced,
    )


def complete(recipe: Recipe) -> dict[str, Any]:
    """The recipe's values with what is computed below them, keys in a stable order.

    Raises RecipeError for sizes that contradict the facts.
    """
    problems = tuple(contradictions(recipe))
    if problems:
        raise RecipeError("The sizes contradict the chosen model or accelerator.", problems=problems)
    merged = merge(computed(recipe), recipe.values)
    order = {key: index for index, key in enumerate(_FIRST)}
    return {key: _sorted(merged[key]) for key in sorted(merged, key=lambda key: (order.get(key, len(order)), key))}


def _sorted(value: Any) -> Any:  # noqa: ANN401  any JSON value
    """Mappings by key, so that the order of layers leaves no trace; what stands in lists keeps its order."""
    return {key: _sorted(value[key]) for key in sorted(value)} if isinstance(value, Mapping) else value


def _check_name(name: str, what: str, longest: int) -> None:
    if len(name) > longest:
        raise UsageError(f"The {what} '{name}' has {len(name)} characters; {longest} are allowed.")
    if not _NAME.fullmatch(name):
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        remedy = f"For example '{plain}'." if plain else None
        raise UsageError(f"'{name}' is no name for a {what}: use small letters, digits and '-'.", remedy=remedy)
