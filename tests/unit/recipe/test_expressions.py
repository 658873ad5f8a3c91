"""Expressions: what they give, and what is an error."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llmdctl.recipe.expressions import evaluate
from llmdctl.recipe.lookups import ExpressionError, choice
from llmdctl.recipe.templates import Part, split

NAMES = {
    "a": {"items": 3, "list": [1, 2], "whole": 4.0, "text": "t", "deep": {"k": 1}, "flag": True, "none": None},
    "engine": {"name": "vllm", "efa-key": 1},
    "versions": {"vllm": {"tag": "v1"}},
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a.items", 3),  # the key, not the method
        ("a['items']", 3),
        ("a.list[1]", 2),
        ("versions[engine.name].tag", "v1"),
        ("versions['vllm'].tag", "v1"),
        ('engine["efa-key"]', 1),
        ("a.none", None),
        ("a.flag", True),
        ("4 / 2", 2),
        ("a.items * 2", 6),
        ("7 // 2", 3),
        ("7 % 2", 1),
        ("7 / 2.0", 3.5),
        ("a.whole * 2", 8.0),
        ("2 ** 10", 1024),
        ("a.items if a.flag else 1", 3),
        ("a.items if a.items > 4 else 4", 4),
        ("[a.items, 5] | max", 5),
        ("a.nothing | default(7)", 7),
        ("a.nothing is defined", False),
        ("nothing is defined", False),
        ("a.text ~ '-' ~ a.items", "t-3"),
        ("a.text | upper", "T"),
        ("a.list | length", 2),
        ("'x' in 'xyz'", True),
        ("none", None),
        ("true", True),
        ("'}}'", "}}"),
    ],
)
def test_value(source: str, expected: object) -> None:
    found = evaluate(source, NAMES)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("source", "message", "suggestion"),
    [
        ("a.itemz", "'itemz' is not defined.", "items"),
        ("a.itemz + 1", "'itemz' is not defined.", "items"),
        ("engin.name", "'engin' is not defined.", "engine"),
        ("1 + engin", "'engin' is not defined.", "engine"),
        ("a.zzz", "'zzz' is not defined. Known here: deep, flag, items, list, none, text, whole.", None),
        ("a.list[7]", "the list has no item 7: it has 2.", None),
        ("a.items.more", "'more' is asked of 3, which holds nothing.", None),
        ("a.none.more", "'more' is asked of null, which holds nothing.", None),
        ("a.text.upper()", "'upper' is asked of 't', which holds nothing.", None),
        ("a.text['__class__']", "'__class__' is asked of 't', which holds nothing.", None),
        ("a.deep", "'a.deep' gives a mapping; an expression gives text, a number, true or false.", None),
        ("a.list", "'a.list' gives a list; an expression gives text, a number, true or false.", None),
        ("a.list + [1]", "'a.list + [1]' gives a list; an expression gives text, a number, true or false.", None),
        ("a.items / 2", "3 / 2 is no whole number; write // to round down, or 1.0 * for a fraction.", None),
        ("'a' * 99", "'*' wants numbers, not 'a' and 99.", None),
        ("9 ** 99", "9 ** 99 is too large.", None),
        ("1 / 0", "'1 / 0' cannot be evaluated: division by zero.", None),
        ("1 +", "'1 +' is no valid expression: unexpected 'end of template'.", None),
        ("", "'' is no valid expression: unexpected 'end of template'.", None),
        ("range(9) | first", "'range' is not defined. Known here: a, engine, versions.", None),
        ("a.items | pprint", "'a.items | pprint' is no valid expression: No filter named 'pprint'.", None),
    ],
)
def test_error(source: str, message: str, suggestion: str | None) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(source, NAMES)
    assert caught.value.message == message
    assert caught.value.suggestion == suggestion


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("plain", [Part("plain", False)]),
        ("{{ a }}", [Part("a", True)]),
        ("x{{a}}y{{ b }}", [Part("x", False), Part("a", True), Part("y", False), Part("b", True)]),
        ("{{ '}}' }}", [Part("'}}'", True)]),
        ("{{ '\\'}}' }}", [Part("'\\'}}'", True)]),
        ("{{ '{{' }}x", [Part("'{{'", True), Part("x", False)]),
    ],
)
def test_split(text: str, parts: list[Part]) -> None:
    assert list(split(text)) == parts


@pytest.mark.parametrize("text", ["{{ a", "x {{ a }", "{{ '}}"])
def test_split_without_end(text: str) -> None:
    with pytest.raises(ValueError, match="is never closed"):
        split(text)


def test_a_chain_of_keys_needs_no_jinja() -> None:
    """Importing Jinja costs 0.05 s, which most recipes need not pay."""
    code = (
        "import sys; from llmdctl.recipe.expressions import evaluate;"
        "evaluate('a.b[c.d]', {'a': {'b': {'x': 1}}, 'c': {'d': 'x'}}); print('jinja2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_importing_the_package_is_cheap() -> None:
    code = (
        "import sys, llmdctl.recipe, llmdctl.values;"
        "print(sorted({'jinja2', 'jsonschema', 'kubernetes'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_choice_needs_no_jinja() -> None:
    code = (
        "import sys; from llmdctl.recipe.expressions import evaluate;"
        "print(evaluate(\"a.b if a.c == 'x' else a.d if a.d > 4 else 4\", {'a': {'c': 'y', 'd': 2}}));"
        "print('jinja2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "4\nFalse\n"


# fmt: off
OPERANDS = st.sampled_from([
    "a.items", "a.whole", "a.text", "a.flag", "a.none", "a.deep", "a.deep.k", "a.list", "a.list[1]", "a.list[01]",
    "a.zzz", "b", "b.c", "engine.name", "versions[engine.name].tag", "engine['efa-key']", "'vllm'", "'t'", "''", "0",
    "3", "4", "07", "3.5", "true", "none",
])
# fmt: on
TESTS = st.one_of(
    OPERANDS,
    st.tuples(OPERANDS, st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "is"]), OPERANDS).map(" ".join),
    st.tuples(OPERANDS, OPERANDS).map(" < 3 == ".join),
    st.tuples(OPERANDS, OPERANDS).map(" > 3 or ".join),
)
CHOICES = st.recursive(
    st.tuples(OPERANDS, TESTS, OPERANDS).map(lambda parts: "{} if {} else {}".format(*parts)),
    lambda inner: st.tuples(OPERANDS, TESTS, inner).map(lambda parts: "{} if {} else {}".format(*parts)),
    max_leaves=3,
)


def answer(source: str) -> object:
    """The value and its type, or the whole of the error."""
    try:
        found = evaluate(source, NAMES)
    except ExpressionError as wrong:
        return wrong.message.replace(f"'{source}'", f"'{source.strip()}'"), wrong.suggestion
    return found, type(found)


@given(CHOICES)
@example("a.items if a.flag")
def test_a_choice_gives_what_jinja_gives(source: str) -> None:
    """With a blank before it, it is no `choice`, and goes to Jinja."""
    assert choice(f" {source}") is None
    assert answer(source) == answer(f" {source}")


def test_choices_are_recognized() -> None:
    """Else the property above would compare Jinja with itself."""
    recognized = "fit.tensor if a.text == 't' else 1 if a.items == 0 else a.items if a.items > 2 else 2"
    assert choice(recognized) is not None
    for other in ("a.b or 1", "a if b", "a if b else", "a if b < 1 < 2 else 3", "a if b else c + 1", "a | max", "1.5"):
        assert choice(other) is None
