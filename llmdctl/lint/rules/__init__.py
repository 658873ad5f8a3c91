"""Every rule that runs, named one by one; a new family is a module and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from llmdctl.lint.rule import Code, Rule
from llmdctl.lint.rules import engine_flags, epp_config, epp_flags

RULES: Final[tuple[Rule, ...]] = (engine_flags, epp_config, epp_flags)

CODES: Final[Mapping[str, Code]] = {code: entry for rule in RULES for code, entry in rule.CODES.items()}
