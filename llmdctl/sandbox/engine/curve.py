"""How long a step takes: a curve from a file, interpolated."""

from __future__ import annotations

import bisect
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

Points = tuple[tuple[float, float], ...]


class CurveError(ValueError):
    """A file that is no curve; the text says what is wrong."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """Seconds of one step: that of its prefill tokens, plus that of its decoding sequences, plus what always is."""

    step_s: float
    prefill: Points  # (tokens in a step, seconds), ascending
    decode: Points  # (sequences in a step, seconds), ascending
    load_s_per_token: float = 0.0  # of a token that comes from another tier or server

    def seconds(self, *, prefill_tokens: int, decoding: int) -> float:
        """Of one step."""
        return self.step_s + interpolate(self.prefill, prefill_tokens) + interpolate(self.decode, decoding)


QUICK: Final = Curve(
    step_s=0.001, prefill=((0, 0.0), (8192, 0.4)), decode=((0, 0.0), (256, 0.02)), load_s_per_token=0.000_005
)
"""For trying things: about 20,000 prompt tokens and 200 steps a second. Resembles no hardware."""


def interpolate(points: Points, at: float) -> float:
    """The value between the two nearest points; beyond the last, along its slope."""
    places = [place for place, _ in points]
    right = min(max(bisect.bisect_left(places, at), 1), len(points) - 1)
    (x0, y0), (x1, y1) = points[right - 1], points[right]
    return y0 + (y1 - y0) * (at - x0) / (x1 - x0)


def load(path: Path) -> Curve:
    """A curve of a JSON file with the keys of `Curve`. Raises CurveError."""
    try:
        raw: Any = json.loads(path.read_text(encoding="utf-8"))
        return Curve(
            step_s=float(raw["step_s"]),
            prefill=_points(raw["prefill"]),
            decode=_points(raw["decode"]),
            load_s_per_token=float(raw.get("load_s_per_token", 0)),
        )
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise CurveError(f"{path}: {type(cause).__name__}: {cause}") from cause


def _points(raw: Sequence[Sequence[float]]) -> Points:
    points = tuple((float(at), float(value)) for at, value in raw)
    if len(points) < 2 or any(left[0] >= right[0] for left, right in pairwise(points)):
        raise ValueError("a curve is two points or more, ascending")
    return points
