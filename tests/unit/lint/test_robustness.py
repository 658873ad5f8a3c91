"""No manifest ends the linter: values of the wrong kind anywhere are the API server's business, not a traceback."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmdctl.lint import lint_objects, read

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FILES = sorted([*EXAMPLES.glob("lint-right/*/all.yaml"), *EXAMPLES.glob("lint/*/all.yaml")])
OBJECTS = [[manifest.value for manifest in read(file.read_text(encoding="utf-8"), "f").manifests] for file in FILES]
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    "",
    "x",
    "$(X)",
    "{",
    [],
    {},
    [None],
    [[]],
    {"": None},
    ["a", 1, {"name": 2}],
    {"name": {}},
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        found += places(child, (*path, key))
    return found


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_odd_values_anywhere(data: st.DataObject) -> None:
    objects = copy.deepcopy(data.draw(st.sampled_from(OBJECTS)))
    for _ in range(data.draw(st.integers(1, 4))):
        known = places(objects)
        path = data.draw(st.sampled_from(known)) if known else ()
        target: Any = objects
        for step in path[:-1]:
            target = target[step]
        if path:
            target[path[-1]] = copy.deepcopy(data.draw(st.sampled_from(ODD)))
    lint_objects([value for value in objects if isinstance(value, dict)])


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("key", ["metadata", "spec", "data", "kind"])
def test_odd_parts_of_an_object(key: str, odd: Any) -> None:
    for objects in OBJECTS[:8]:
        lint_objects([{**value, key: odd} for value in objects])
