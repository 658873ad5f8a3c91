"""What each judge found, as numbers a path: compared with the file that is kept, or written anew."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).resolve().parents[2] / "guides" / "matrix.json"


@dataclass(frozen=True)
class Record:
    """The kept findings."""

    update: bool

    def holds(self, judge: str, counts: Mapping[str, int], *, by: str = "") -> None:
        """Fails when a judge's counts differ from those that are kept, unless they are being written anew."""
        kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
        found = {"by": by, "counts": dict(counts)}
        if self.update:
            kept[judge] = found
            FILE.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        assert kept.get(judge) == found, f"{FILE.name} says otherwise: run pytest --update-golden and read the diff"
