"""Whose Kubernetes this is, from what its nodes and its API show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmdctl.model.check import Platform

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case


def detect(case: Case) -> Platform:
    """The platform with the reasons for it; `generic` and unknown where nothing says."""
    if case.platform_stated:
        return Platform(name=case.platform_stated, confidence="stated", evidence=("stated by --platform",))
    return Platform(name="generic", confidence="unknown")
