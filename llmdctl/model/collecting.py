"""Handling much data without the garbage collector, which would walk all of it again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_MANY: Final = 100_000  # mappings and lists that were made and live


@contextmanager
def uncollected() -> Iterator[None]:
    """For the time that values out of JSON are made or looked at: they hold no cycles, and 25,000 objects are read
    twice as fast, and judged in two thirds of the time.

    If they are many, what lives at the end is not looked at again either (`gc.freeze`): reference counts free it.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            if gc.get_count()[0] > _MANY:
                gc.freeze()
            gc.enable()
