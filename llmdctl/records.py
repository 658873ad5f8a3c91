"""`dataclass`, as the standard library has it, at a tenth of the price at import.

The standard library writes the methods of each class as source and compiles that, half a millisecond a class (Python
3.11). A command imports two to three hundred of ours, which was a fifth of the time of a short one. Frozen keyword-only
classes need nothing of their own: the same few functions serve them all, by the names of the fields. Every other sort
of class is handed to the standard library.

What differs: there are no `__slots__`, and the signature is `**given`. Fields, `replace`, `asdict`, comparing, hashing,
showing, copying, pickling and refusing to be changed are held against the standard library by a test.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import MISSING, Field, FrozenInstanceError
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

__all__ = ["dataclass"]

_FAST: Final = frozenset({"frozen", "kw_only", "slots", "eq"})  # options of classes that are made here


class _Shape:
    """What the shared methods must know of one class."""

    __slots__ = ("compared", "defaults", "factories", "finish", "hashed", "names", "required", "shown")

    def __init__(self, cls: type[Any]) -> None:
        fields: tuple[Field[Any], ...] = dataclasses.fields(cls)
        self.names = frozenset(field.name for field in fields)
        self.defaults = {field.name: field.default for field in fields if field.default is not MISSING}
        self.factories = {field.name: field.default_factory for field in fields if field.default_factory is not MISSING}
        self.required = [field.name for field in fields if field.name not in {*self.defaults, *self.factories}]
        self.shown = [field.name for field in fields if field.repr]
        self.compared = _values([field.name for field in fields if field.compare])
        self.hashed = _values([field.name for field in fields if (field.compare if field.hash is None else field.hash)])
        self.finish = getattr(cls, "__post_init__", None)

    def completed(self, cls: type[Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """With the defaults of what is not given. Raises TypeError, in the words of the standard library."""
        values = {**self.defaults, **{name: make() for name, make in self.factories.items() if name not in given}}
        values.update(given)
        if values.keys() != self.names:
            raise TypeError(f"{cls.__qualname__}.__init__() {self._wrong(given)}")
        return values

    def _wrong(self, given: Mapping[str, Any]) -> str:
        for name in given:
            if name not in self.names:
                return f"got an unexpected keyword argument {name!r}"
        missing = [repr(name) for name in self.required if name not in given]
        number = f"{len(missing)} required keyword-only argument{'s' if len(missing) > 1 else ''}"
        if len(missing) > 1:
            missing[-2:] = [f"{missing[-2]}{',' if len(missing) > 2 else ''} and {missing[-1]}"]
        return f"missing {number}: {', '.join(missing)}"


def _values(names: list[str]) -> Any:  # noqa: ANN401 - a getter of a tuple, or of the only value
    return attrgetter(*names) if names else lambda _: ()


def _init(self: Any, **given: Any) -> None:  # noqa: ANN401 - of any record
    shape = type(self).__shape__
    if given.keys() != shape.names:
        given = shape.completed(type(self), given)
    object.__setattr__(self, "__dict__", given)
    if shape.finish is not None:
        shape.finish(self)


def _repr(self: Any) -> str:  # noqa: ANN401
    cls = type(self)
    return f"{cls.__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in cls.__shape__.shown)})"


def _eq(self: Any, other: Any) -> Any:  # noqa: ANN401
    if other.__class__ is not self.__class__:
        return NotImplemented
    values = type(self).__shape__.compared
    return values(self) == values(other)


def _hash(self: Any) -> int:  # noqa: ANN401
    return hash((type(self).__shape__.hashed(self),))


def _set(self: Any, name: str, value: object) -> None:  # noqa: ANN401, ARG001
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _delete(self: Any, name: str) -> None:  # noqa: ANN401, ARG001
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _record(cls: type[Any], *, eq: bool) -> Any:  # noqa: ANN401
    if cls.__doc__ is None:
        cls.__doc__ = cls.__name__  # or the standard library works out a signature to put there
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=True, match_args=False)(cls)
    methods: dict[str, Any] = {"__init__": _init, "__repr__": _repr, "__setattr__": _set, "__delattr__": _delete}
    if eq:
        methods |= {"__eq__": _eq, "__hash__": _hash}
    for name, method in methods.items():
        if name not in cls.__dict__ or (name == "__hash__" and cls.__hash__ is None):
            setattr(made, name, method)
    made.__shape__ = _Shape(made)
    setattr(made, "__match_args__", ())  # noqa: B010 - nothing is given by its place
    return made


if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls: type[Any] | None = None, /, **options: bool) -> Any:  # noqa: ANN401
        """See `dataclasses.dataclass`."""
        if cls is not None or not (options.get("frozen") and options.get("kw_only")) or not options.keys() <= _FAST:
            return dataclasses.dataclass(cls, **options)
        return lambda one: _record(one, eq=options.get("eq", True))
