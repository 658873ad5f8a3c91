"""The images as archives in the cache of programs: made once for what goes into them, and found again at once."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from llmdctl.errors import UsageError
from llmdctl.programs.cache import Entry, cache_root, content_key
from llmdctl.programs.origin import Reporter, silent
from llmdctl.sandbox.images import archive, contents
from llmdctl.sandbox.images.facet import ImageFacet, Source, facets
from llmdctl.sandbox.images.layer import Layer, identity

_FORMAT: Final = "1"  # raise when the way of writing archives changes
_UNUSED_S: Final = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """One image, there to be imported."""

    name: str
    reference: str
    archive: Path  # docker-archive
    key: str  # another one where anything in the image is another


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    """Layers as they are stated, as they are, and what tells them from any others."""

    sources: tuple[Source, ...]
    layers: tuple[Layer, ...]
    identity: tuple[str | bytes, ...]


def built(*names: str, report: Reporter = silent) -> tuple[Built, ...]:
    """The named images, all without a name, in the order of images.yaml.

    Raises UsageError for a name that is none, and ProgramError for what an image needs and this machine does not have.
    """
    known: list[_Known] = []
    return tuple(_build(facet, _layers(facet, known, report), report) for facet in _chosen(names))


def archives(*names: str, report: Reporter = silent) -> tuple[Path, ...]:
    """The archives of `built`, for `ctr --namespace k8s.io images import`."""
    return tuple(image.archive for image in built(*names, report=report))


def references() -> Mapping[str, str]:
    """Name of an image -> its reference, such as `sandbox.llmdctl.dev/epp:v0.7.1`. Builds nothing."""
    return {name: _reference(facet) for name, facet in facets().images.items()}


def reference(name: str) -> str:
    """The reference of one image. Raises UsageError for a name that is none."""
    (facet,) = _chosen((name,))
    return _reference(facet)


def forget_others(entry: Entry) -> None:
    """Mark the entry as used now, and remove those of its kind that nobody has used for an hour.

    One change of a module makes an image of 80 MB another; whoever imports one does it within minutes.
    """
    now_s = time.time()
    os.utime(entry.path, (now_s, now_s))
    for other in entry.path.parent.glob(f"{entry.label}-*"):
        if other != entry.path and now_s - other.stat().st_mtime > _UNUSED_S:
            shutil.rmtree(other, ignore_errors=True)


def _chosen(names: tuple[str, ...]) -> list[ImageFacet]:
    known = facets().images
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"there is no image '{unknown[0]}'", remedy=f"Known are: {', '.join(known)}.")
    return [facet for name, facet in known.items() if not names or name in names]


def _reference(facet: ImageFacet) -> str:
    return f"{facets().registry}/{facet.repository}:{contents.tag(facet)}"


def _layers(facet: ImageFacet, known: list[_Known], report: Reporter) -> _Known:
    """The layers of the image, read once for all images that have the same ones."""
    for found in known:
        if found.sources == facet.layers:
            return found
    layers = contents.layers(facet, report=report)
    parts = tuple(part for each in layers for part in (each.name, *identity(each)))
    known.append(_Known(sources=facet.layers, layers=layers, identity=parts))
    return known[-1]


def _build(facet: ImageFacet, known: _Known, report: Reporter) -> Built:
    image = archive.Image(
        reference=_reference(facet), layers=known.layers, entrypoint=facet.entrypoint, user=facet.user,
        environment=facet.environment,
    )  # fmt: skip
    start = json.dumps([facet.user, facet.entrypoint, dict(facet.environment)])
    head = [image.reference, archive.architecture(), start]
    key = content_key([_FORMAT, *head, *known.identity])
    entry = Entry(root=cache_root(), label=f"image-{facet.name}", key=key)

    def make(folder: Path) -> None:
        started_s = time.monotonic()
        archive.save(image, folder / f"{facet.name}.tar")
        report(f"image {image.reference}: made in {time.monotonic() - started_s:.1f} s")

    entry.fill(make, report)
    forget_others(entry)
    return Built(name=facet.name, reference=image.reference, archive=entry.path / f"{facet.name}.tar", key=key)
