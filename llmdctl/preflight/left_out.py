"""The codes of the catalogue that are no check, each with its reason; a code is never used for something else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LEFT_OUT: Final[Mapping[str, str]] = {}
"""Code -> why there is no such check, as a sentence without full stop."""
