"""What the real KEDA and Kubernetes wrote of autoscalers (tests/e2e/autoscaling/test_faults.py), as verify reads it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from llmdctl.release.verify.claim import Verdict
from llmdctl.release.verify.scaling import Answered, Scaler, judge

FOLDER = Path(__file__).parents[2] / "fixtures" / "autoscaling"


@dataclass(frozen=True)
class ScalerCase:
    """One file: what was seen, and what must be said of it."""

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
    def expected(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.data["expect"]
        return found

    def scaler(self, **changes: Any) -> Scaler:
        seen = copy.deepcopy(self.data["seen"])
        seen["answers"] = {name: Answered(**answer) for name, answer in seen["answers"].items()}
        return Scaler(**{**seen, **changes})

    @cached_property
    def verdict(self) -> Verdict:
        return judge(self.scaler())


@cache
def all_cases() -> tuple[ScalerCase, ...]:
    return tuple(ScalerCase(file) for file in sorted(FOLDER.glob("*.yaml")))
