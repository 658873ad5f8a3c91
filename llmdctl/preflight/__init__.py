"""Whether a cluster can carry a recipe: (recipe, rendered objects, inventory) -> report. Never reaches a cluster."""

from llmdctl.preflight.case import Case
from llmdctl.preflight.checks import CHECKS
from llmdctl.preflight.identity import devices
from llmdctl.preflight.left_out import LEFT_OUT
from llmdctl.preflight.platform import detect
from llmdctl.preflight.reporting import preflight
from llmdctl.preflight.summaries import summaries

__all__ = ["CHECKS", "LEFT_OUT", "Case", "detect", "devices", "preflight", "summaries"]
