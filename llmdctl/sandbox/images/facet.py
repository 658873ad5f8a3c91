"""images.yaml, read: which images there are, what each consists of, and where it stands in the charts' values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

FILE: Final = Path(__file__).with_name("images.yaml")


@dataclass(frozen=True, kw_only=True, slots=True)
class Accounts:
    """Users, groups and how names are looked up, with a /tmp for all."""

    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgramLayer:
    """A pinned program, by its name in the catalogue, with the libraries that it needs."""

    name: str
    program: str
    to: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageFile:
    """A program inside an installed Python distribution, with the libraries that it needs."""

    name: str
    distribution: str
    file: str
    to: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Interpreter:
    """The running Python, and programs of this machine."""

    name: str
    commands: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Distributions:
    """Installed Python distributions, and what they need."""

    name: str
    distributions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnPackage:
    """A package of llmdctl that stands alone, its data, and the names under which it is started."""

    name: str
    package: str
    data: tuple[str, ...]  # below the folder of llmdctl
    commands: Mapping[str, tuple[str, ...]]  # file in /usr/local/bin -> first words of the package's command line
    modules: Mapping[str, tuple[str, ...]]  # module for `python -m` -> the same


Source = Accounts | ProgramLayer | PackageFile | Interpreter | Distributions | OwnPackage


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageFacet:
    """One image as images.yaml states it."""

    name: str
    title: str
    repository: str
    tag: Mapping[str, Any]  # one key: program, distribution or llmdctl
    layers: tuple[Source, ...]
    entrypoint: tuple[str, ...]
    user: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    values: tuple[str, ...] = ()  # places of `image` blocks in the umbrella chart's values


@dataclass(frozen=True, kw_only=True, slots=True)
class Facets:
    """The whole file."""

    registry: str
    images: Mapping[str, ImageFacet]
    unavailable: Mapping[str, str]  # place in the values -> why there is no image for it


@cache
def facets() -> Facets:
    """What images.yaml says. Its schema is schemas/sandbox-images.schema.json, which a test holds it to."""
    stated = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    images = {name: _image(name, entry) for name, entry in stated["images"].items()}
    return Facets(registry=stated["registry"], images=images, unavailable=stated["unavailable"])


def _image(name: str, stated: Mapping[str, Any]) -> ImageFacet:
    return ImageFacet(
        name=name,
        title=stated["title"],
        repository=name,
        tag=stated["tag"],
        layers=tuple(map(_source, stated["layers"])),
        entrypoint=tuple(stated["entrypoint"]),
        user=stated.get("user", ""),
        environment=stated.get("environment", {}),
        values=tuple(stated.get("values", ())),
    )


def _source(stated: Mapping[str, Any]) -> Source:
    name = stated["name"]
    match stated:
        case {"accounts": True}:
            return Accounts(name=name)
        case {"program": str(program), "to": str(to)}:
            return ProgramLayer(name=name, program=program, to=to)
        case {"distribution": str(distribution), "file": str(file), "to": str(to)}:
            return PackageFile(name=name, distribution=distribution, file=file, to=to)
        case {"python": True}:
            return Interpreter(name=name, commands=tuple(stated.get("commands", ())))
        case {"distributions": list(names)}:
            return Distributions(name=name, distributions=tuple(names))
        case {"package": str(package)}:
            return OwnPackage(
                name=name, package=package, data=tuple(stated.get("data", ())),
                commands={key: tuple(words) for key, words in stated.get("commands", {}).items()},
                modules={key: tuple(words) for key, words in stated.get("modules", {}).items()},
            )  # fmt: skip
        case _:
            raise ValueError(f"{FILE}: layer {name} is of no known kind")
