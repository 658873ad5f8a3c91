"""Every rule that runs, named one by one; a new family is a module and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from llmdctl.lint.rule import Code, Rule
from llmdctl.lint.rules import (
    capacity,
    disaggregation,
    engine_flags,
    epp_config,
    epp_flags,
    kustomize,
    lifecycle,
    metric_dialect,
    metrics,
    objects,
    pools,
    prefix_cache,
    references,
    routes,
    scaling,
    scraping,
)

RULES: Final[tuple[Rule, ...]] = (
    objects,
    references,
    engine_flags,
    capacity,
    lifecycle,
    disaggregation,
    pools,
    routes,
    prefix_cache,
    scaling,
    scraping,
    epp_config,
    epp_flags,
    metrics,
    metric_dialect,
    kustomize,
)

CODES: Final[Mapping[str, Code]] = {code: entry for rule in RULES for code, entry in rule.CODES.items()}
