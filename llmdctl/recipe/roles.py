"""The roles of a composed recipe, and what their numbers must satisfy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from llmdctl.errors import Problem
from llmdctl.model.document import json_path
from llmdctl.model.recipe import ROLES, Layer, RoleSpec
from llmdctl.recipe.evaluation import ROLE_KEYS
from llmdctl.recipe.names import nearest

RoleValue = Callable[[str, str], Any]
"""(role, key of ROLE_KEYS) -> the effective number."""

Locate = Callable[[tuple[str, ...]], tuple[str | None, int | None]]
"""From a key to the file and line, or the argument, that set it."""

_MAY_BE_ZERO: Final = ("replicas", "max_model_len")


def roles_from(
    values: Mapping[str, Any], role_value: RoleValue, locate: Locate, problems: list[Problem]
) -> tuple[RoleSpec, ...]:
    """Every role that `global.llmd.roles` names, in the order of ROLES; numbers that are none go to `problems`."""
    stated = _mapping(values, "global", "llmd", "roles")
    found = []
    for name in ROLES:
        settings = stated.get(name)
        if settings is None:
            continue
        settings = settings if isinstance(settings, Mapping) else {}
        numbers = {}
        for key, (below, default) in ROLE_KEYS.items():
            value = role_value(name, key)
            number = _whole(value, least=0 if key in _MAY_BE_ZERO else 1)
            if number is None:
                shown = f"'{value}'" if isinstance(value, str) else str(value)
                path = ("modelserver", "roles", name, *below)
                problems.append(_problem(path, f"{shown} is not a positive whole number.", None, locate))
            numbers[key] = default if number is None else number
        workload, autoscaled = settings.get("workload") or "Deployment", settings.get("autoscaled") is True
        found.append(RoleSpec(name=name, workload=workload, autoscaled=autoscaled, **numbers))
    return tuple(found)


def role_problems(
    role: RoleSpec, locate: Locate, *, attention_heads: int, accelerators_per_node: int, model: str, accelerator: str
) -> Iterator[Problem]:
    """What no cluster could carry. 0 heads or accelerators are unknown and not checked.

    tensor | heads; nodes | tensor * pipeline * data; accelerators of a pod <= those of a node.
    """
    place = ("modelserver", "roles", role.name)
    tensor, nodes = (*place, "parallelism", "tensor"), (*place, "nodes")
    if attention_heads and attention_heads % role.tensor:
        fitting = ", ".join(str(n) for n in range(1, (accelerators_per_node or 8) + 1) if attention_heads % n == 0)
        message = f"tensor parallelism {role.tensor} does not divide the {attention_heads} attention heads of {model}."
        yield _problem(tensor, message, f"Take one of {fitting}.", locate)
    if role.accelerators_per_replica % role.nodes:
        message = f"{role.accelerators_per_replica} accelerators cannot be spread evenly over {role.nodes} pods."
        yield _problem(nodes, message, None, locate)
    elif accelerators_per_node and role.accelerators_per_pod > accelerators_per_node:
        message = (
            f"a pod would ask for {role.accelerators_per_pod} accelerators, but a node with {accelerator}"
            f" has {accelerators_per_node}."
        )
        remedy = "Lower the parallelism, or spread a replica over several pods with `nodes`."
        yield _problem(tensor, message, remedy, locate)
    if role.nodes > 1 and role.workload != "LeaderWorkerSet":
        message = f"a replica of {role.nodes} pods needs the workload LeaderWorkerSet, not {role.workload}."
        remedy = f"Set global.llmd.roles.{role.name}.workload=LeaderWorkerSet."
        yield _problem(nodes, message, remedy, locate)


def strangers(layers: tuple[Layer, ...], roles: tuple[RoleSpec, ...]) -> Iterator[Problem]:
    """The user's settings of roles that the recipe has not: they would change nothing."""
    present = [role.name for role in roles]
    for layer in layers:
        for prefix in (("modelserver", "roles"), ("autoscaling", "roles")):
            for name, value in _mapping(layer.values, *prefix).items():
                if name in present or value is None:
                    continue
                path = (*prefix, name)
                close = nearest(name, present)
                yield Problem(
                    file=layer.source,
                    line=layer.mark.at(path).line if layer.mark else None,
                    path=json_path(path),
                    message=f"the recipe has no role '{name}'.",
                    suggestion=close,
                    remedy=None if close else f"It has {', '.join(present)}.",
                )


def _problem(path: tuple[str, ...], message: str, remedy: str | None, locate: Locate) -> Problem:
    file, line = locate(path)
    return Problem(file=file, line=line, path=json_path(path), message=message, remedy=remedy)


def _whole(value: Any, *, least: int) -> int | None:  # noqa: ANN401  any JSON value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= least else None


def _mapping(values: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    for step in path:
        below = values.get(step)
        values = below if isinstance(below, Mapping) else {}
    return values
