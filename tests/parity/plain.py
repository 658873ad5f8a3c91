"""What Helm alone makes of a generated values file, and what llmdctl makes of its recipe.

A helm process takes a quarter of a second of a processor. So what Helm said is remembered, in the way of
`tests/cells/remembered.py`: the fingerprint of a question with its answer, below a name made of all that the answer
depends on (the program and every file of every chart). An answer of ours other than the remembered one is always held
against Helm itself, and one in 32 of the others too, so that Helm is seen to be awake. What our engine made of values
is remembered likewise, below a name made of the charts and of the code that renders; composing is done each time.
"""

from __future__ import annotations

import functools
import pickle
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import llmdctl
from llmdctl import assets, programs
from llmdctl.errors import LlmdctlError
from llmdctl.helm import open_renderer, parse_manifests
from llmdctl.model.release import ReleaseSpec
from llmdctl.model.selection import Overrides
from llmdctl.recipe import Catalog, compose, kept_cells
from llmdctl.values import build
from tests.cells import remembered
from tests.cells.sections import fingerprint

CHART = assets.charts() / "llmd"
KUBERNETES = "1.34.4"
CATALOG = Catalog.load([assets.paths()])
CELLS = dict(kept_cells(CATALOG))
NAMES = {3: "helm3", 4: "helm"}

Objects = list[Any] | None  # None: refused


def composed(file: str, overrides: Overrides) -> ReleaseSpec:
    """The release of a file's cell. Raises LlmdctlError where llmdctl refuses before anything is rendered."""
    return build(compose(CATALOG, CELLS[file], overrides), name="pd", namespace="n")


def ours(file: str, overrides: Overrides) -> list[Any]:
    """The objects by llmdctl. Raises LlmdctlError when it or the chart refuses."""
    spec = composed(file, overrides)
    question = fingerprint([spec.name, spec.namespace, spec.values])
    place = remembered.accepted("rendered", _rendering()).with_name(f"{question.hex()}.pickle")
    known = pickle.loads(place.read_bytes()) if place.is_file() and question[0] % 32 else None
    answer = _rendered(spec) if known is None else known
    if known is None:
        remembered.keep(place, answer)
    if isinstance(answer, LlmdctlError):
        raise answer
    return answer


def _rendered(spec: ReleaseSpec) -> list[Any] | LlmdctlError:
    try:
        return list(open_renderer().render(spec, kube_version=KUBERNETES).objects)
    except LlmdctlError as refused:
        return refused


@functools.cache
def _rendering() -> tuple[str | bytes, ...]:
    """All that a rendering of ours depends on beside the values."""
    package = Path(llmdctl.__file__).parent
    code = [*sorted(package.glob("helm/*.py")), package / "errors.py", package / "scalars.py", Path(__file__)]
    engine = open_renderer().engine
    return engine.name, engine.version, KUBERNETES, *(file.read_bytes() for file in code), *_charts()


@functools.cache
def generated(file: str) -> list[Any]:
    """The objects by llmdctl of a recipe as its file was generated."""
    return ours(file, Overrides())


@dataclass(frozen=True)
class Helm:
    """A helm program, and what is known of its answers."""

    program: Path
    known: frozenset[bytes]
    said: set[bytes] = field(default_factory=set)

    def objects(self, file: str, *options: str) -> Objects:
        """What Helm makes of a generated file and some options; None when it or the chart refuses."""
        command = [str(self.program), "template", "pd", str(CHART), "-n", "n", "-f", str(assets.paths() / file)]
        done = subprocess.run(
            [*command, "--kube-version", KUBERNETES, *options], check=False, capture_output=True, text=True
        )
        return None if done.returncode else list(parse_manifests(done.stdout))

    def gives(self, answers: list[Objects], file: str, *options: str) -> bool:
        """Whether Helm gives one of these answers: exactly these objects, or a refusal (None)."""
        text = (assets.paths() / file).read_text()
        read = [Path(option).read_text() if Path(option).is_absolute() else option for option in options]
        question = fingerprint([text, read, answers])
        if question not in self.known or question[0] % 32 == 0:
            if self.objects(file, *options) not in answers:
                return False
            self.said.add(question)
        return True


@contextmanager
def opened(major: int, asker: str) -> Iterator[Helm]:
    """The helm program of a major version, with what it told this asker before."""
    program = programs.find(NAMES[major])
    place = remembered.accepted(f"{asker}-{NAMES[major]}", [program.version, *_content(program.path)])
    try:
        known: frozenset[bytes] = pickle.loads(place.read_bytes())
    except FileNotFoundError:
        known = frozenset()
    helm = Helm(program=program.path, known=known)
    try:
        yield helm
    finally:
        remembered.keep(place, known | helm.said)


def _content(program: Path) -> Iterator[str | bytes]:
    """All that an answer depends on beside the values: the program, the charts, and how it is asked."""
    about = program.stat()
    yield f"{program} {about.st_size} {about.st_mtime_ns}"
    yield Path(__file__).read_bytes()
    yield from _charts()


def _charts() -> Iterator[str | bytes]:
    for file in sorted(assets.charts().glob("**/*")):
        yield str(file.relative_to(assets.charts()))
        if file.is_symlink():
            yield str(file.readlink())
        elif file.is_file():
            yield file.read_bytes()
