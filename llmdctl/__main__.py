"""`python -m llmdctl` and the console script."""

from __future__ import annotations

import gc
import sys

_YOUNG = 100_000  # objects made before the collector looks; by default it has looked a hundred times before a render


def entry_point() -> None:
    """Run the command line and leave with its exit code."""
    gc.set_threshold(_YOUNG)  # a twentieth of the time of a command that is over in a second
    from llmdctl.cli import main

    sys.exit(main())


if __name__ == "__main__":
    entry_point()
