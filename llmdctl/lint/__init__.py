"""Judges manifests, ours or not, without a cluster: (objects) -> Report. Rules are modules of `lint.rules`."""

from llmdctl.lint.linting import lint, lint_objects
from llmdctl.lint.manifest import Manifest
from llmdctl.lint.reading import Read, read
from llmdctl.lint.rule import Code, codes
from llmdctl.lint.suppression import CODES, Suppression, suppression
from llmdctl.lint.world import Versions, World

__all__ = [
    "CODES",
    "Code",
    "Manifest",
    "Read",
    "Suppression",
    "Versions",
    "World",
    "codes",
    "lint",
    "lint_objects",
    "read",
    "suppression",
]
