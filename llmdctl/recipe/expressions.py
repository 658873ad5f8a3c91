"""Expressions inside scalars: `{{ accelerator.count_per_node // 2 }}`.

The commonest kinds, chains of keys such as `versions.images[engine.name].tag` and choices between them, are looked up
(llmdctl.recipe.lookups). Everything else is compiled by Jinja's `compile_expression` in a sandbox; this is the only
module that imports jinja2. In both, a dot reads keys and never attributes or methods, and a name that is not there is
an error, not an empty text.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from llmdctl.recipe.lookups import ExpressionError, chain, choice, follow, holds, look_up, shown, unknown

# fmt: off
_FILTERS: Final = (
    "abs", "default", "first", "float", "int", "join", "last", "length", "lower", "max", "min", "replace", "round",
    "string", "sum", "trim", "upper",
)
# fmt: on
_MAX_RESULT: Final = 2**63  # of a power or product; beyond it no setting has a meaning


class _Unset(Exception):
    """A name at the front of an expression that does not exist."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def evaluate(source: str, names: Mapping[str, Any]) -> Any:  # noqa: ANN401  a scalar
    """The value of an expression over nested mappings: text, a number, a boolean or None.

    Raises ExpressionError for bad syntax, an unknown name, a result that is no scalar, or a whole division with rest.
    """
    steps = chain(source)
    result = follow(steps, names) if steps is not None else _chosen(source, names)
    if result is not None and not isinstance(result, str | int | float | bool):
        kind = "a mapping" if isinstance(result, Mapping) else "a list" if isinstance(result, Sequence) else "no value"
        raise ExpressionError(f"'{source}' gives {kind}; an expression gives text, a number, true or false.")
    return result


def _chosen(source: str, names: Mapping[str, Any]) -> Any:  # noqa: ANN401  any JSON value
    read = choice(source)
    if read is not None:
        try:
            return read(names)
        except (ExpressionError, TypeError):
            pass  # Jinja says what is wrong
    return _by_jinja(source, names)


def _by_jinja(source: str, names: Mapping[str, Any]) -> Any:  # noqa: ANN401  any JSON value
    from jinja2 import TemplateSyntaxError, Undefined
    from jinja2.exceptions import SecurityError, TemplateRuntimeError

    try:
        result = _compiled(source)(names)
        if isinstance(result, Undefined):
            str(result)  # raises, as every use does
    except _Unset as wrong:
        raise unknown(wrong.name, names) from None
    except ExpressionError:
        raise
    except TemplateSyntaxError as wrong:
        raise ExpressionError(f"'{source}' is no valid expression: {(wrong.message or '').rstrip('.')}.") from wrong
    except (TemplateRuntimeError, SecurityError, TypeError, ValueError, ArithmeticError) as wrong:
        raise ExpressionError(f"'{source}' cannot be evaluated: {wrong}.") from wrong
    return result


@lru_cache(maxsize=1024)
def _compiled(source: str) -> Callable[..., Any]:
    compiled: Callable[..., Any] = _environment().compile_expression(source, undefined_to_none=False)
    return compiled


@lru_cache(maxsize=1)
def _environment() -> Any:  # noqa: ANN401  a jinja2.Environment, imported late
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment
    from jinja2.utils import missing

    class Missing(StrictUndefined):
        """Fails in every use, with the nearest name."""

        def __init__(self, hint: str | None = None, obj: Any = missing, name: str | None = None, **_: object) -> None:  # noqa: ANN401
            error: Any = lambda _message: _absent(None if obj is missing else obj, name or "")  # noqa: E731
            super().__init__(hint=hint, obj=obj, name=name, exc=error)

    class Keys(SandboxedEnvironment):
        """Reads keys only, and divides whole numbers without leaving whole numbers."""

        intercepted_binops = frozenset(("/", "*", "**"))

        def getitem(self, obj: Any, argument: Any) -> Any:  # noqa: ANN401
            if not holds(obj, argument):
                return self.undefined(obj=obj, name=argument)  # so that `is defined` and `default` work
            return look_up(obj, argument)

        def getattr(self, obj: Any, attribute: str) -> Any:  # noqa: ANN401
            return self.getitem(obj, attribute)

        def call_binop(self, context: Any, operator_: str, left: Any, right: Any) -> Any:  # noqa: ANN401, ARG002
            return _operate(operator_, left, right)

    environment = Keys(undefined=Missing)
    environment.filters = {name: environment.filters[name] for name in _FILTERS}
    environment.globals = {}
    return environment


def _absent(container: object, name: str) -> Exception:
    """The error for a name that `container`, or without one the whole context, does not hold."""
    try:
        if container is not None:
            look_up(container, name)
    except ExpressionError as wrong:
        return wrong
    return _Unset(name)


def _operate(symbol: str, left: Any, right: Any) -> Any:  # noqa: ANN401  numbers
    """`/`, `*` and `**` of numbers, within reason."""
    if not isinstance(left, int | float) or not isinstance(right, int | float):
        raise ExpressionError(f"'{symbol}' wants numbers, not {shown(left)} and {shown(right)}.")
    if symbol == "/" and isinstance(left, int) and isinstance(right, int) and right:
        if left % right:
            raise ExpressionError(
                f"{left} / {right} is no whole number; write // to round down, or 1.0 * for a fraction."
            )
        return left // right
    if symbol == "**" and (abs(left) > _MAX_RESULT or abs(right) > 63):
        raise ExpressionError(f"{left} ** {right} is too large.")
    functions: dict[str, Callable[[Any, Any], Any]] = {"/": operator.truediv, "*": operator.mul, "**": operator.pow}
    return functions[symbol](left, right)
