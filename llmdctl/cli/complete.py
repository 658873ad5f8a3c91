"""What the shell completes: names from the shipped catalogue and contexts from the kubeconfig, no cluster asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def recipes(incomplete: str) -> list[str]:
    """Names of well-lit paths."""
    from llmdctl import assets

    found = (recipe.parent.name for recipe in assets.paths().glob("*/recipe.yaml"))
    return sorted(name for name in found if name.startswith(incomplete))


def facet(kind: str) -> Callable[[str], list[str]]:
    """A completer of the facets of one kind; their file names are their names."""

    def complete(incomplete: str) -> list[str]:
        from llmdctl import assets

        # models, prefix-indexes, metrics: whichever folder there is.
        folders = [assets.paths() / "facets" / f"{kind.replace('_', '-')}{ending}" for ending in ("s", "es", "")]
        files = (file for folder in folders for file in folder.glob("*.yaml"))
        return sorted(file.stem for file in files if file.stem.startswith(incomplete))

    return complete


def contexts(incomplete: str) -> list[str]:
    """Contexts of the kubeconfig in use; none when it cannot be read."""
    import yaml

    place = Path(os.environ.get("KUBECONFIG") or "~/.kube/config").expanduser()
    try:
        found = yaml.safe_load(place.read_text(encoding="utf-8"))["contexts"]
        return sorted(str(entry["name"]) for entry in found if str(entry["name"]).startswith(incomplete))
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return []


def checks(incomplete: str) -> list[str]:
    """Codes of preflight's checks."""
    from llmdctl.preflight import CHECKS

    return sorted(code for code in CHECKS if code.startswith(incomplete.upper()))


def proofs(incomplete: str) -> list[str]:
    """Codes of verify's proofs."""
    from llmdctl.release.verify import CLAIMS

    return sorted(code for code in CLAIMS if code.startswith(incomplete.upper()))
