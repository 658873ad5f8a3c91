"""What one user asked of the API server, from its audit log, which holds what every test of the session asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def entries(log: Path, user: str) -> Iterator[dict[str, Any]]:
    """The events of a user. Only lines that name it are parsed: a log of many megabytes takes seconds otherwise."""
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            if user in line:
                event: dict[str, Any] = json.loads(line)
                if event.get("user", {}).get("username") == user:
                    yield event
