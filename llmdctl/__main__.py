"""`python -m llmdctl` and the console script."""

from __future__ import annotations

import gc
import sys

_TURN_S = 0.001  # of a thread that computes; by default others wait five times as long to send their next request
_YOUNG = 100_000  # objects made before the collector looks; by default it has looked a hundred times before a render


def entry_point() -> None:
    """Run the command line and leave with its exit code."""
    gc.set_threshold(_YOUNG)  # a twentieth of the time of a command that is over in a second
    sys.setswitchinterval(_TURN_S)
    from llmdctl.cli import main

    code = main()
    gc.freeze()  # what goes with the process need not be searched for garbage as it leaves: 70 ms
    sys.exit(code)


if __name__ == "__main__":
    entry_point()
