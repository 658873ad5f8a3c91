"""Images of the router's parts that follow the version of the endpoint picker, from the set of versions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from llmdctl.model.recipe import Layer
from llmdctl.recipe.needs import DEFAULT_EPP
from llmdctl.recipe.versions import Versions

_EPP: Final = ("global", "llmd", "eppVersion")
_IMAGES: Final = {
    "envoy": ("scheduler", "proxy", "image"),
    "epp": ("scheduler", "image"),
    "latency-prediction": ("scheduler", "predictedLatency", "prediction", "image"),
    "latency-training": ("scheduler", "predictedLatency", "training", "image"),
    "render": ("scheduler", "render", "image"),
    "sidecar": ("modelserver", "routingSidecar", "image"),
    "tokenizer": ("scheduler", "tokenizer", "image"),
}
"""Component of versions.yaml -> where the charts take its image from."""

_PARTS: Final = ("registry", "repository", "tag")


def pinned(versions: Versions, values: Mapping[str, Any]) -> Layer | None:
    """What the endpoint picker's version brings with it, as a layer below all others; None when it is the charts' own.

    The version is the user's, or that of the set. Of each component the variant `epp-<version>` counts, and the default
    where the set itself is of that version.
    """
    images: Mapping[str, Mapping[str, Any]] = versions.chosen.get("images") or {}
    own = _minor(((images.get("epp") or {}).get("default") or {}).get("version"))
    wanted = _at(values, _EPP) or own
    if not wanted or str(wanted) == DEFAULT_EPP:
        return None
    fragment: dict[str, Any] = {}
    if wanted == own and _at(values, _EPP) is None:
        _put(fragment, _EPP, own)
    for component, place in _IMAGES.items():
        variants = images.get(component) or {}
        image = variants.get(f"epp-{wanted}") or (variants.get("default") if wanted == own else None)
        if image:
            _put(fragment, place, {part: image[part] for part in _PARTS})
    source = versions.places.get(versions.default, "")
    return Layer(name="versions", source=source.rpartition(":")[0], values=fragment) if fragment else None


def _minor(version: object) -> str:
    """`0.10` of `0.10.0`."""
    found = re.match(r"[0-9]+\.[0-9]+", str(version or ""))
    return found[0] if found else ""


def _at(values: Mapping[str, Any], path: tuple[str, ...]) -> Any:  # noqa: ANN401  any JSON value
    found: Any = values
    for step in path:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _put(values: dict[str, Any], path: tuple[str, ...], value: Any) -> None:  # noqa: ANN401  any JSON value
    for step in path[:-1]:
        values = values.setdefault(step, {})
    values[path[-1]] = value
