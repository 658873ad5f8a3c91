"""The generator of guides/matrix.md, as a module: its cells need not be composed twice."""

from __future__ import annotations

import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[3] / "tools"
sys.path.append(str(TOOLS))

from matrix import PAGE, RECORD, Row, page  # noqa: E402

__all__ = ["PAGE", "RECORD", "Row", "page"]
