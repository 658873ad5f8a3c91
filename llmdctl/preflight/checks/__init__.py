"""Every check that runs, family by family; a new family is a module and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from llmdctl.preflight.check import Check
from llmdctl.preflight.checks import (
    autoscaling,
    model_facts,
    model_files,
    model_fit,
    model_geometry,
    prometheus,
    recipe_itself,
    versions,
)

FAMILIES: Final[tuple[tuple[Check, ...], ...]] = (
    versions.CHECKS,
    recipe_itself.CHECKS,
    autoscaling.CHECKS,
    prometheus.CHECKS,
    model_facts.CHECKS,
    model_fit.CHECKS,
    model_files.CHECKS,
    model_geometry.CHECKS,
)

_ALL: Final = (check for family in FAMILIES for check in family)
CHECKS: Final[Mapping[str, Check]] = {check.code: check for check in sorted(_ALL, key=lambda each: each.code)}
