"""`llmdctl sandbox images`: the images of a real node as files, for a cluster of one's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from llmdctl.cli.declared import declared
from llmdctl.cli.options import OutputOptions
from llmdctl.cli.output import say, use, write_result


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """Which images, and where to."""

    names: Annotated[list[str], typer.Argument(metavar="[IMAGE]...", help="Only these; all unless given.")] = field(
        default_factory=list
    )
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write archives and values.yaml there; otherwise only list them.")
    ] = None


@declared(ImageOptions, OutputOptions)
def images(asked: ImageOptions, output: OutputOptions) -> None:
    """Make the images of a real node, without Docker; --to writes them for a cluster of your own, such as kind."""
    from llmdctl.cli import results
    from llmdctl.cli.views import sandboxes as view
    from llmdctl.sandbox import images as use_cases

    use(output)
    found = use_cases.exported(asked.names, to=asked.to, report=say)
    made = results.SandboxImages(
        epp_version=use_cases.dialect(),
        values=str(asked.to / use_cases.VALUES) if asked.to else "",
        images=tuple(
            results.SandboxImage(name=i.name, reference=i.reference, archive=str(i.archive), size_bytes=i.size_bytes)
            for i in found
        ),
        unavailable=use_cases.facets().unavailable,
    )
    write_result(made, view.images(made))
