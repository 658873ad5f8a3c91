"""Options declared once as a dataclass, used by many verbs.

typer reads a function's signature. Verbs that take the same twenty options would each have to repeat
them; here a verb takes one frozen dataclass, and `declared` gives typer the signature of its fields.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import cache, wraps
from typing import Any, TypeVar, get_type_hints

R = TypeVar("R")


def declared(*groups: type[Any]) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Decorate a verb `f(group1, group2, ...)` so that typer sees the fields of all groups as its parameters.

    A field is `Annotated[type, typer.Option(...)]` or `typer.Argument(...)`, with or without a default.
    """

    def decorate(verb: Callable[..., R]) -> Callable[..., R]:
        @wraps(verb)
        def run(**given: Any) -> R:  # noqa: ANN401 - typer has converted them by the signature below
            return verb(*(group(**{field.name: given[field.name] for field in fields(group)}) for group in groups))

        parameters = [parameter for group in groups for parameter in _parameters(group)]  # type: ignore[arg-type]  # a class is hashable
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        del run.__wrapped__  # inspect would follow it to the verb's own signature
        return run

    return decorate


@cache  # a group serves many verbs, and reading its annotations costs milliseconds
def _parameters(group: type[Any]) -> tuple[inspect.Parameter, ...]:
    hints = get_type_hints(group, include_extras=True)
    parameters = []
    for field in fields(group):
        default = inspect.Parameter.empty
        if field.default is not MISSING:
            default = field.default
        elif field.default_factory is not MISSING:
            default = field.default_factory()
        parameters.append(
            inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[field.name])
        )
    return tuple(parameters)
