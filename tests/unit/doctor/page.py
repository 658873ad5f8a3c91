"""The generator of guides/faults.md, as a module: its diagnoses need not be made twice."""

from __future__ import annotations

import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[3] / "tools"
sys.path.append(str(TOOLS))

from faults import PAGE, page  # noqa: E402

__all__ = ["PAGE", "page"]
