"""Judges manifests, ours or not, without a cluster: (objects) -> Report. Rules are modules of `lint.rules`."""

from llmdctl.lint.configuration import Configuration
from llmdctl.lint.configuration import load as load_configuration
from llmdctl.lint.files import gather
from llmdctl.lint.linting import lint, lint_objects
from llmdctl.lint.manifest import Manifest
from llmdctl.lint.reading import Read, read
from llmdctl.lint.rule import Code, codes
from llmdctl.lint.sarif import sarif
from llmdctl.lint.suppression import CODES, Suppression, suppression
from llmdctl.lint.world import Versions, World

__all__ = [
    "CODES",
    "Code",
    "Configuration",
    "Manifest",
    "Read",
    "Suppression",
    "Versions",
    "World",
    "codes",
    "gather",
    "lint",
    "lint_objects",
    "load_configuration",
    "read",
    "sarif",
    "suppression",
]
