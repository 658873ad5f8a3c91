"""What the real KEDA and Kubernetes wrote of autoscalers (tests/e2e/autoscaling/test_faults.py), as verify reads it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from llmdctl.release.verify.claim import Verdict
from llmdctl.release.verify.scaling import Answered, Scaler, judge
from tests.unit.case_file import CaseFile

FOLDER = Path(__file__).parents[2] / "fixtures" / "autoscaling"


@dataclass(frozen=True)
class ScalerCase(CaseFile):
    """One file: what was seen, and what must be said of it."""

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
