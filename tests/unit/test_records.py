"""Records are the standard library's dataclasses in all that we use of them."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, astuple, field, fields, is_dataclass, replace
from functools import cached_property
from typing import Any, Generic, TypeVar

import pytest

from llmdctl import records

T = TypeVar("T")
Made = Callable[..., Any]


def classes(dataclass: Any) -> dict[str, Any]:
    """The same classes, by either decorator."""

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Plain:
        name: str
        size: int = 3
        tags: tuple[str, ...] = ()

        @property
        def double(self) -> int:
            return self.size * 2

    @dataclass(frozen=True, kw_only=True, slots=True)
    class One:
        """Of one field."""

        name: str

    @dataclass(frozen=True, kw_only=True)
    class Nothing:
        """Of none."""

    @dataclass(frozen=True, kw_only=True)
    class Base:
        first: str
        second: list[str] = field(default_factory=list)

    @dataclass(frozen=True, kw_only=True)
    class Derived(Base):
        third: str

        @cached_property
        def known(self) -> str:
            return self.first + self.third

    @dataclass(frozen=True, kw_only=True, slots=True, eq=False)
    class Identity:
        name: str

    @dataclass(frozen=True, kw_only=True)
    class Careful:
        secret: str = field(repr=False)
        aside: dict[str, str] = field(default_factory=dict, compare=False)

        def __post_init__(self) -> None:
            if not self.secret:
                raise ValueError("empty")

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Spoken(Generic[T]):
        value: T

        def __str__(self) -> str:
            return f"<{self.value}>"

        def __repr__(self) -> str:
            return "spoken"

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Own:  # noqa: PLW1641
        name: str

        def __eq__(self, other: object) -> bool:
            return True

    return {made.__name__: made for made in (Plain, One, Nothing, Base, Derived, Identity, Careful, Spoken, Own)}


THEIRS, OURS = classes(dataclasses.dataclass), classes(records.dataclass)
GIVEN: list[tuple[str, dict[str, Any]]] = [
    ("Plain", {"name": "a"}),
    ("Plain", {"name": "a", "size": 4, "tags": ("x",)}),
    ("Plain", {"size": 4, "tags": ("x",), "name": "a"}),
    ("Plain", {"name": ["no hash"]}),
    ("Plain", {}),
    ("Plain", {"name": "a", "sizes": 4}),
    ("One", {"name": "a"}),
    ("One", {}),
    ("Nothing", {}),
    ("Nothing", {"name": "a"}),
    ("Base", {"first": "a"}),
    ("Base", {"first": "a", "second": ["b"]}),
    ("Derived", {"first": "a", "third": "c"}),
    ("Derived", {}),
    ("Identity", {"name": "a"}),
    ("Careful", {"secret": "s"}),
    ("Careful", {"secret": ""}),
    ("Careful", {"secret": "s", "aside": {"a": "b"}}),
    ("Spoken", {"value": 3}),
    ("Own", {"name": "a"}),
]


def outcome(work: Callable[[], Any]) -> Any:
    """The result, or the error in its words."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - whatever it is, it must be the same
        return type(error), str(error).replace("classes.<locals>.", "")


def observed(made: Made, given: dict[str, Any]) -> dict[str, Any]:
    """Everything that can be seen of a class and of two equal objects of it."""
    one = outcome(lambda: made(**given))
    if isinstance(one, tuple):
        return {"refused": one}
    other = made(**copy.deepcopy(given))
    first = next(iter(given), "name")
    return {
        "fields": [(part.name, part.kw_only) for part in fields(one)],
        "is": is_dataclass(made) and is_dataclass(one),
        "values": asdict(one),
        "tuple": astuple(one),
        "repr": repr(one).replace("classes.<locals>.", ""),
        "str": str(one).replace("classes.<locals>.", ""),
        "equal": one == other,
        "unequal": one == replace(one, **{first: "else"}) if given else None,
        "of another class": one == 3,
        "hash": outcome(lambda: hash(one) == hash(other)),
        "set": outcome(lambda: setattr(one, first, "b")),
        "delete": outcome(lambda: delattr(one, first)),
        "replaced": asdict(replace(one, **given)),
        "replaced wrongly": outcome(lambda: replace(one, unknown=1)),
        "positional": isinstance(outcome(lambda: made("a")), tuple),
        "copied": asdict(copy.copy(one)) == asdict(one) and asdict(copy.deepcopy(one)) == asdict(one),
        "doc": made.__doc__ if made.__name__ in {"One", "Nothing"} else None,
        "match": getattr(made, "__match_args__", None),
        "cached": outcome(lambda: one.known) if made.__name__ == "Derived" else None,
        "property": outcome(lambda: one.double) if made.__name__ == "Plain" else None,
    }


@pytest.mark.parametrize(("name", "given"), GIVEN, ids=[f"{name}({', '.join(given)})" for name, given in GIVEN])
def test_a_record_is_a_dataclass(name: str, given: dict[str, Any]):
    assert observed(OURS[name], given) == observed(THEIRS[name], given)


def test_a_default_that_is_made_is_made_for_each():
    one, other = OURS["Base"](first="a"), OURS["Base"](first="a")
    assert one.second is not other.second


def test_what_is_given_stays_as_it_is():
    given = {"name": "a", "size": 1, "tags": ()}
    made = OURS["Plain"](**given)
    given["name"] = "b"
    assert made.name == "a"


@records.dataclass(frozen=True, kw_only=True, slots=True)
class Packed:
    """At the top of a module, where pickle finds it."""

    name: str
    size: int = 1


def test_a_record_goes_to_another_process():
    made = pickle.loads(pickle.dumps(Packed(name="a")))
    assert made == Packed(name="a", size=1)
    with pytest.raises(FrozenInstanceError):
        made.name = "b"


def test_whatever_else_is_asked_for_is_left_to_the_standard_library():
    @records.dataclass(kw_only=True)
    class Changing:
        name: str

    @records.dataclass(frozen=True, kw_only=True, order=True)
    class Ordered:
        name: str

    @records.dataclass
    class Simple:
        name: str

    changing = Changing(name="a")
    changing.name = "b"
    assert (changing.name, Simple("a").name) == ("b", "a")
    assert Ordered(name="a") < Ordered(name="b")
