"""How long a request may be, as the engines say it. Pure."""

from __future__ import annotations

from collections.abc import Mapping


def max_model_len(models: Mapping[str, Mapping[str, object] | str]) -> int | None:
    """The shortest of what the engines say of themselves, tokens; None where none says it."""
    found: list[int] = []
    for document in models.values():
        rows = document.get("data") if isinstance(document, Mapping) else None
        for row in rows if isinstance(rows, list) else ():
            length = row.get("max_model_len") if isinstance(row, Mapping) else None
            if isinstance(length, int):
                found.append(length)
    return min(found, default=None)
