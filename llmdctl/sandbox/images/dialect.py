"""Which dialect of configuration and metrics an endpoint picker speaks, told from the program itself."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from llmdctl.errors import ProgramError

_LIMIT_S: Final = 30.0


def dialect_of(picker: Path) -> str:
    """`0.7`, `0.9` or `0.10`, by the flags that the program knows: each version added some.

    The flags of github.com/llm-d/llm-d-inference-scheduler 0.7.1 and github.com/llm-d/llm-d-router 0.9.0 and 0.10.0, as
    the programs print them (see charts/scheduler/dialects). Raises ProgramError when it does not start.
    """
    try:
        asked = subprocess.run(
            [str(picker), "--help"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_LIMIT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProgramError(f"{picker} cannot be asked for its flags: {error}") from error
    text = asked.stdout + asked.stderr
    if "pool-name" not in text:
        raise ProgramError(f"{picker} does not look like an endpoint picker: it knows no --pool-name")
    if "allow-experimental-plugins" in text:
        return "0.10"
    return "0.9" if "grpc-max-recv-msg-size" in text else "0.7"
