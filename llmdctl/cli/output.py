"""Results to stdout, everything else to stderr; text for people, JSON and YAML for programs."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum, StrEnum
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Protocol

from llmdctl.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from rich.console import Console, RenderableType

API_VERSION = "llmdctl.dev/v1"
UNBOUNDED_WIDTH = 10_000  # a pipe has no width: rich would cut cells at 80 columns


class Format(StrEnum):
    """How a result is written."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


@dataclass
class Session:
    """What `main` must know of the verb that runs, also when it fails: set once the options are parsed."""

    format: Format = Format.TEXT
    quiet: bool = False
    debug: bool = False


session = Session()


class Shown(Protocol):
    """What `use` reads of a verb's options."""

    @property
    def output(self) -> Format: ...
    @property
    def quiet(self) -> bool: ...
    @property
    def debug(self) -> bool: ...


@dataclass(frozen=True)
class OutputChoice:
    """What `use` reads, for a verb with formats of its own."""

    output: Format
    quiet: bool
    debug: bool


def use(shown: Shown) -> None:
    """Take over how this run is shown; every verb calls it first."""
    session.format, session.quiet, session.debug = shown.output, shown.quiet, shown.debug


def replace_unencodable() -> None:
    """Show `?` for what a stream cannot show, so that an ASCII locale never ends a run."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def console(*, stderr: bool = False) -> Console:
    """A console whose text is never read as markup; unbounded when it is no terminal."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else UNBOUNDED_WIDTH
    return Console(file=stream, markup=False, emoji=False, highlight=False, width=width, soft_wrap=False)


def plain(value: object) -> Any:  # noqa: ANN401 - any JSON value
    """`value` made of dicts, lists and scalars only; dataclass fields in their own order."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, PurePath):
        return str(value)
    return value


def write_result(
    result: DataclassInstance | Callable[[], DataclassInstance], text: RenderableType | str | None
) -> None:
    """Write one result in the session's format: the document {apiVersion, kind, **fields}, or `text`.

    A result may be a function that makes it: importing every result there is takes as long as reading a recipe.
    """
    if session.format is Format.TEXT:
        write_text(text)
    else:
        sys.stdout.write(as_text(result() if callable(result) else result, session.format))


def as_text(result: DataclassInstance, form: Format) -> str:
    """The document {apiVersion, kind, **fields} as YAML, or else as JSON."""
    document = {"apiVersion": API_VERSION, "kind": type(result).__name__, **plain(result)}
    if form is not Format.YAML:
        return json.dumps(document, indent=2, ensure_ascii=True) + "\n"
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # libyaml where it is there: 8 x
    return str(yaml.dump(document, Dumper=dumper, sort_keys=False, allow_unicode=False))


def replace_file(file: Path, text: str | Iterable[str]) -> None:
    """Write a file whole or not at all, from a text or its parts. Raises UsageError when that cannot be done."""
    partial = file.with_name(f".{file.name}.partial")
    try:
        with partial.open("w", encoding="utf-8") as written:
            written.writelines((text,) if isinstance(text, str) else text)
        partial.replace(file)
    except OSError as cause:
        partial.unlink(missing_ok=True)
        raise UsageError(
            f"Cannot write {file}: {cause.strerror or cause}.", remedy="Name another file with --to."
        ) from cause


def write_json(document: Mapping[str, Any]) -> None:
    """Write a document whose form somebody else has laid down."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=True) + "\n")


def write_text(text: RenderableType | str | None) -> None:
    """Write `text` to stdout: a string as it is, anything else through rich."""
    if text is None:
        return
    if isinstance(text, str):
        sys.stdout.write(text + ("" if text.endswith("\n") else "\n"))
        return
    target = console()
    with target.capture() as captured:
        target.print(text)
    lines = (line.rstrip() for line in captured.get().splitlines())
    sys.stdout.write("\n".join(lines) + "\n")


def say(message: str) -> None:
    """One line for the person at the terminal, on stderr; nothing with --quiet."""
    if not session.quiet:
        warn(message)


def warn(message: str) -> None:
    """One line on stderr, also with --quiet."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()
