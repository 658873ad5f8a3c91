"""Where the files that llmdctl ships live: charts/, paths/, schemas/ and tools/.

In a wheel they lie beside the package's modules, under `_assets/`; in a checkout they are the folders at the top.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def root() -> Path:
    """The folder that holds charts/, paths/, schemas/ and tools/."""
    bundled = _PACKAGE / "_assets"
    return bundled if bundled.is_dir() else _PACKAGE.parent


def charts() -> Path:
    """The chart sources; `charts() / "llmd"` is the umbrella."""
    return root() / "charts"


def paths() -> Path:
    """The well-lit paths and `facets/`."""
    return root() / "paths"


def schemas() -> Path:
    """JSON Schemas of paths, facets and every `-o json` output."""
    return root() / "schemas"


def tools() -> Path:
    """Go module files of the pinned programs."""
    return root() / "tools"
