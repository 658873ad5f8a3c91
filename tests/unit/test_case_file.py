"""What `merge` means in the cases of doctor and verify: one thing in both."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.case_file import merged

MERGES: dict[str, tuple[Any, Any, Any]] = {
    "mappings": ({"a": {"x": 1, "y": 2}, "b": 3}, {"a": {"y": 4}}, {"a": {"x": 1, "y": 4}, "b": 3}),
    "null takes away": ({"a": 1, "b": {"c": 2}}, {"a": None, "b": {"c": None}}, {"b": {}}),
    "a null that nobody names stays": ({"a": None}, {"b": 1}, {"a": None, "b": 1}),
    "rows by name": (
        [{"name": "a", "v": 1}, {"name": "b"}],
        [{"name": "a", "v": 2}, {"name": "c"}],
        [{"name": "a", "v": 2}, {"name": "b"}, {"name": "c"}],
    ),
    "other lists": ([1, 2], [3], [3]),
    "rows without names": ([{"port": 1}], [{"port": 2}], [{"port": 2}]),
    "a mapping over nothing": (None, {"a": {"b": None}}, {"a": {"b": None}}),
}


@pytest.mark.parametrize(("base", "over", "made"), MERGES.values(), ids=list(MERGES))
def test_merging(base: Any, over: Any, made: Any) -> None:
    assert merged(base, over) == made


def test_neither_side_is_changed() -> None:
    base, over = {"a": {"b": 1}}, {"a": {"c": [1]}}
    found = merged(base, over)
    found["a"]["c"].append(2)
    assert (base, over) == ({"a": {"b": 1}}, {"a": {"c": [1]}})
