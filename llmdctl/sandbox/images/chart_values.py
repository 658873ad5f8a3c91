"""The values that make a recipe use the sandbox's images, and speak the dialect of its endpoint picker."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from llmdctl.merge import merge
from llmdctl.sandbox.images import contents
from llmdctl.sandbox.images.facet import facets
from llmdctl.sandbox.images.pickers import dialect

_HEAD: Final = """Images of the sandbox, made on this machine, and the dialect of its endpoint picker.
Written by llmdctl; give it to render, preflight and install with -f."""

_ACCELERATOR: Final = "LLMDCTL_ENGINE_ACCELERATOR"


def values(accelerator: str = "") -> Mapping[str, Any]:
    """Values of the umbrella chart: every image that can be made here, by registry, repository and tag.

    A digest is set to empty: it would be that of the image of the recipe. `accelerator` is the facet of what the nodes
    claim to have: the simulated engine takes the size of its KV cache from it. Raises ProgramError, as `archives` does.
    """
    found = facets()
    result: dict[str, Any] = {"global": {"imageRegistry": "", "llmd": {"eppVersion": dialect()}}}
    for image in found.images.values():
        block = {"registry": found.registry, "repository": image.repository, "tag": contents.tag(image), "digest": ""}
        for place in image.values:
            result = merge(result, _at(place, block | {"pullPolicy": "IfNotPresent"}))
    if accelerator:
        result = merge(result, _at("modelserver.roleDefaults.env", {_ACCELERATOR: accelerator}))
    return result


def write_values(path: Path, accelerator: str = "") -> Path:
    """Write `values` to a file that Helm reads; the file's path."""
    from llmdctl.values import to_yaml  # with what reads recipes: a third of a second

    path.write_text(to_yaml(values(accelerator), comment=_HEAD), encoding="utf-8")
    return path


def _at(place: str, block: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = dict(block)
    for key in reversed(place.split(".")):
        result = {key: result}
    return result
