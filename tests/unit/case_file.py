"""A case in a file of its own: what is so, and what has to be said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class CaseFile:
    """One YAML file with `title`, `expect`, perhaps `source`, and whatever else its kind of case has."""

    file: Path

    @cached_property
    def data(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = yaml.safe_load(self.file.read_text())
        return found

    @property
    def name(self) -> str:
        return self.file.stem

    @property
    def title(self) -> str:
        return str(self.data["title"])

    @property
    def source(self) -> str:
        return str(self.data.get("source") or "")

    @property
    def expected(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.data["expect"]
        return found
