"""Kustomizations as they lie in a folder: what they name must be there, and patches need something to change.

The one family that looks at files beside those it was given, and only whether they exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from llmdctl.lint.manifest import Manifest, Place, look
from llmdctl.lint.rule import codes
from llmdctl.lint.world import World
from llmdctl.model.finding import Finding, Severity

_DOCS: Final = "https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/"
CODES = codes(
    (
        "LD1870",
        "Path of a Kustomization that leads nowhere",
        Severity.ERROR,
        f"`kustomize build` fails for this overlay and for all that use it. {_DOCS}resource/",
    ),
    (
        "LD1871",
        "Patches of a Kustomization that has nothing to patch",
        Severity.ERROR,
        "Patches change what the Kustomization itself lists, never what its users list beside it; only a Component's "
        f"do. {_DOCS}patches/",
    ),
)
_KINDS: Final = ("Kustomization", "Component")
_GROUP: Final = "kustomize.config.k8s.io"
_PATHS: Final = ("resources", "components", "bases", "patchesStrategicMerge", "configurations", "crds")
_PATCHES: Final = ("patches", "patchesStrategicMerge", "patchesJson6902")
_SOURCES: Final = (
    "resources",
    "bases",
    "components",
    "helmCharts",
    "generators",
    "configMapGenerator",
    "secretGenerator",
)
_ELSEWHERE: Final = re.compile(r"://|^git@|[?&]ref=|^(github\.com|gitlab\.com|bitbucket\.org)/|\$\{")


def check(world: World) -> Iterator[Finding]:
    for manifest in world.of_kind(*_KINDS):
        if manifest.group != _GROUP:
            continue
        yield from _lost(manifest)
        changes = next((key for key in _PATCHES if manifest.rows(key)), None)
        if manifest.kind == "Kustomization" and changes and not any(manifest.get(key) for key in _SOURCES):
            message = "The patches reach nothing: this Kustomization lists no resources of its own."
            advice = "List the resources here, or make it a Component and list it under 'components'."
            yield manifest.finding(CODES["LD1871"], (changes,), message, advice)


def _lost(manifest: Manifest) -> Iterator[Finding]:
    if manifest.file is None or not Path(manifest.file).is_file():
        return
    folder = Path(manifest.file).parent
    for place, path in _named(manifest):
        if "\n" in path or _ELSEWHERE.search(path) or (folder / path).exists():
            continue
        yield manifest.finding(CODES["LD1870"], place, f"There is no {path} here.", "Add it, or leave it out.")


def _named(manifest: Manifest) -> Iterator[tuple[Place, str]]:
    for key in _PATHS:
        for index, path in enumerate(manifest.rows(key)):
            if isinstance(path, str):
                yield (key, index), path
    for key in ("patches", "patchesJson6902"):
        for index, row in enumerate(manifest.rows(key)):
            path = look(row, "path")
            if isinstance(path, str):
                yield (key, index, "path"), path
