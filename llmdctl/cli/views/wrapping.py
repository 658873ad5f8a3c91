"""Text cut into lines of the terminal's width."""

from __future__ import annotations

import textwrap
from typing import Final

_UNBOUNDED: Final = 1_000_000  # a pipe has no width: what is searched for must stand on one line


class Wrap:
    """Text cut into lines at spaces; ASCII stays what it is, and nothing is read as markup."""

    def __init__(self, width: int | None) -> None:
        self._width = width or _UNBOUNDED

    def __call__(self, text: str, *, indent: str = "", hang: str | None = None) -> list[str]:
        found = textwrap.wrap(
            text,
            width=self._width,
            initial_indent=indent,
            subsequent_indent=indent if hang is None else hang,
            break_long_words=False,
            break_on_hyphens=False,
        )
        return [line.rstrip() for line in found] or [indent.rstrip()]
