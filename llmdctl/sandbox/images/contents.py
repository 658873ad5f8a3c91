"""From what images.yaml states of a layer to the items in it."""

from __future__ import annotations

import llmdctl
from llmdctl import programs
from llmdctl.programs.origin import Reporter
from llmdctl.sandbox.images import distributions, interpreter, own_package
from llmdctl.sandbox.images.facet import (
    Accounts,
    Distributions,
    ImageFacet,
    Interpreter,
    OwnPackage,
    PackageFile,
    ProgramLayer,
    Source,
)
from llmdctl.sandbox.images.items import File, Folder, Item, program, text
from llmdctl.sandbox.images.layer import Layer, layer
from llmdctl.sandbox.images.libraries import libraries
from llmdctl.sandbox.images.pickers import found_program, tag_of_program


def layers(image: ImageFacet, *, report: Reporter) -> tuple[Layer, ...]:
    """The layers from the bottom; what a lower one holds alike is not repeated. Raises ProgramError."""
    below: set[Item] = set()
    made = []
    for source in image.layers:
        whole = layer(source.name, _items(source, report=report))
        kept = [item for item in whole.items if item not in below]
        below.update(item for item in kept if isinstance(item, File))
        made.append(layer(source.name, kept))
    return tuple(made)


def tag(image: ImageFacet) -> str:
    """The tag of the image: the version of what it is about."""
    match image.tag:
        case {"program": str(name)}:
            return tag_of_program(name)
        case {"distribution": str(name)}:
            return f"v{distributions.version_of(name)}"
        case _:
            return f"v{llmdctl.__version__}"


def _items(source: Source, *, report: Reporter) -> tuple[Item, ...]:
    match source:
        case Accounts():
            return _accounts()
        case ProgramLayer(program=name, to=to):
            return _with_libraries(to, found_program(name, report=report))
        case PackageFile(distribution=name, file=file, to=to):
            return _with_libraries(to, programs.Program(
                name=name, path=distributions.file_of(name, file), version=distributions.version_of(name),
                origin=programs.Origin.EXPLICIT,
            ))  # fmt: skip
        case Interpreter(commands=commands):
            return interpreter.items(commands, report=report)
        case Distributions(distributions=names):
            return distributions.items(names, report=report)
        case OwnPackage():
            return own_package.items(source, report=report)


def _with_libraries(to: str, found: programs.Program) -> tuple[Item, ...]:
    return (program(to.lstrip("/"), found.path), *libraries([found.path]))


def _accounts() -> tuple[Item, ...]:
    shell = "/sbin/nologin"
    return (
        text("etc/passwd", f"root:x:0:0:root:/root:{shell}", f"nonroot:x:65532:65532:nonroot:/tmp:{shell}"),
        text("etc/group", "root:x:0:", "nonroot:x:65532:"),
        text("etc/nsswitch.conf", "hosts: files dns"),
        Folder(path="root", mode=0o700),
        Folder(path="tmp", mode=0o1777),
    )
