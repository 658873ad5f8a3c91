"""`python -m llmdctl` and the console script."""

from __future__ import annotations

import sys


def entry_point() -> None:
    """Run the command line and leave with its exit code."""
    from llmdctl.cli import main

    sys.exit(main())


if __name__ == "__main__":
    entry_point()
