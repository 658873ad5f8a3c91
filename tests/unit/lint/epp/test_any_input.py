"""Whatever a configuration holds at any place, the checks give an answer and never fail."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from llmdctl.lint.epp import check, check_value
from llmdctl.lint.epp.catalogue import VERSIONS
from llmdctl.lint.promql import selectors

DATA = Path(__file__).parent / "data"
INPUTS = [
    case["input"]
    for file in ("cases.json", "more-0.9.json")
    for case in json.loads((DATA / file).read_text(encoding="utf-8"))["cases"].values()
    if isinstance(case["input"], dict)
]
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in inner for place in places(child, (*path, key)))]


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_anything_anywhere(data: st.DataObject) -> None:
    value = copy.deepcopy(data.draw(st.sampled_from(INPUTS)))
    place = data.draw(st.sampled_from([path for path in places(value) if path]))
    target = value
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = data.draw(ODD)
    for version in VERSIONS:
        for item in check_value(value, version).remarks:
            assert item.message.endswith((".", "!", "?"))


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"#\n \t?,1."), max_size=60))
def test_any_text(text: str) -> None:
    assert check(text, "0.9") is not None


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet=st.sampled_from("abby(){}[]=~!\"'`$,:.+ on5"), max_size=40))
def test_any_query(text: str) -> None:
    assert all(item.metric for item in selectors(text))
