"""Plain tables: no borders, columns as wide as their text, wrapped only on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

COLOURS = {"ready": "green", "failed": "red", "progressing": "yellow", "unknown": "magenta"}


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table with upper-case headings; cells are text as it is, never markup."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        made.add_column(column.upper(), overflow="fold")
    for row in rows:
        cells = ("-" if cell in (None, "") else str(cell) for cell in row)
        made.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in cells))
    return made
