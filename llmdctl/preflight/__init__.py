"""Whether a cluster can carry a recipe: (recipe, rendered objects, inventory) -> report. Never reaches a cluster."""

from llmdctl.preflight.case import Case
from llmdctl.preflight.checks import CHECKS
from llmdctl.preflight.left_out import LEFT_OUT
from llmdctl.preflight.reporting import preflight

__all__ = ["CHECKS", "LEFT_OUT", "Case", "preflight"]
