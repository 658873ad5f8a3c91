"""Build hook: put charts/, paths/, schemas/ and tools/ into wheel and sdist, links resolved.

hatchling leaves out a linked directory that it has already visited, and subcharts are links
(charts/llmd/charts/scheduler -> ../../scheduler), so the files are listed here one by one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ASSETS = ("charts", "paths", "schemas", "tools")


class AssetsHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds every asset file under `llmdctl/_assets/` (wheel) or at its own place (sdist)."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fill `force_include`; an editable install reads the checkout and needs nothing."""
        if version == "editable":
            return
        prefix = "llmdctl/_assets/" if self.target_name == "wheel" else ""
        for asset in ASSETS:
            for directory, folders, files in os.walk(Path(self.root) / asset, followlinks=True):
                folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
                for name in sorted(files):
                    source = Path(directory) / name
                    build_data["force_include"][str(source)] = prefix + str(source.relative_to(self.root))
