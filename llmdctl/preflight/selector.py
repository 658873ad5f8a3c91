"""Label selectors, as the API server evaluates them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Item = Mapping[str, Any]


def selects(selector: object, labels: Mapping[str, str]) -> bool:
    """Whether a label selector (matchLabels, matchExpressions) takes an object with these labels; an empty one does."""
    if not isinstance(selector, Mapping):
        return False
    exact = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in exact.items()) and all(
        _holds(row, labels) for row in _rows(selector.get("matchExpressions"))
    )


def _holds(row: Item, labels: Mapping[str, str]) -> bool:
    key, operator = str(row.get("key")), row.get("operator")
    values = row.get("values") or ()
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return labels.get(key) not in values
    return (key in labels) is (operator == "Exists")


def _rows(rows: object) -> Iterator[Item]:
    for row in rows if isinstance(rows, Iterable) else ():
        if isinstance(row, Mapping):
            yield row
