"""The images in a folder, for clusters that the sandbox did not make."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from llmdctl.errors import UsageError
from llmdctl.programs.origin import Reporter, silent
from llmdctl.sandbox.images.building import built
from llmdctl.sandbox.images.chart_values import write_values

VALUES: Final = "values.yaml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """One archive in the folder, or in the cache where no folder was asked for."""

    name: str
    reference: str
    archive: Path
    size_bytes: int


def exported(names: Sequence[str] = (), *, to: Path | None = None, report: Reporter = silent) -> tuple[Exported, ...]:
    """The archives of the named images, all without a name; with `to` copied there, beside values.yaml.

    A file that is there is replaced. Raises ProgramError for what cannot be made, UsageError for a wrong name or a
    folder that cannot be written.
    """
    images = built(*names, report=report)
    if to is None:
        return tuple(_entry(image.name, image.reference, image.archive) for image in images)
    try:
        to.mkdir(parents=True, exist_ok=True)
        write_values(to / VALUES)
        return tuple(
            _entry(image.name, image.reference, Path(shutil.copyfile(image.archive, to / image.archive.name)))
            for image in images
        )
    except OSError as error:
        raise UsageError(f"{to} cannot be written: {error.strerror or error}") from error


def _entry(name: str, reference: str, archive: Path) -> Exported:
    return Exported(name=name, reference=reference, archive=archive, size_bytes=archive.stat().st_size)
