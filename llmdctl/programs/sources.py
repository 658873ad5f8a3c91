"""`find`: the five sources of a program, tried in order."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event

from llmdctl import assets
from llmdctl.errors import ProgramError
from llmdctl.programs import download, golang
from llmdctl.programs.cache import Entry
from llmdctl.programs.catalog import Pinned, pinned
from llmdctl.programs.origin import Origin, Program, Reporter, silent
from llmdctl.programs.versions import Version, fits, parse

_VERSION_LIMIT_S = 30.0


def find(name: str, *, path: Path | None = None, report: Reporter = silent) -> Program:
    """A program that runs, from the first source that has it.

    `path` is an explicit choice and wins, like the environment variable of the program (`LLMDCTL_HELM`). An explicit
    choice that is absent or of an unfit version is an error, not a reason to look further.
    Raises ProgramError: unknown name, unfit explicit choice, failed build (with the place of its log).
    """
    program = pinned(name)
    return at_hand(program, path, report) or downloaded(program, report) or built(program, report)


def locate(name: str) -> Program | None:
    """As `find`, but None where the program would have to be downloaded or built."""
    return at_hand(pinned(name), None, silent)


def at_hand(program: Pinned, path: Path | None, report: Reporter) -> Program | None:
    """From the sources that take no time: explicit path, PATH, cache. Raises ProgramError for an unfit choice."""
    chosen = path or _from_variable(program)
    if chosen is not None:
        return _explicit(program, chosen, given_by="the given path" if path else program.variable)
    return _on_path(program, report) or _cached(program)


def _from_variable(program: Pinned) -> Path | None:
    value = os.environ.get(program.variable)
    return Path(value).expanduser() if value else None


def _explicit(program: Pinned, path: Path, *, given_by: str) -> Program:
    if not path.is_file() or not os.access(path, os.X_OK):
        raise ProgramError(f"{program.name}: {given_by} says {path}, which is not a program")
    if not program.version_args:
        return Program(name=program.name, path=path.absolute(), version="unknown", origin=Origin.EXPLICIT)
    version = read_version(program, path)
    if version is None or not fits(version, program.accepts):
        said = "a version that cannot be read" if version is None else f"version {version}"
        raise ProgramError(
            f"{program.name}: {given_by} says {path}, which has {said}; llmdctl needs {program.accepts}",
            remedy=f"Unset {program.variable} to have llmdctl find or build {program.version}.",
        )
    return Program(name=program.name, path=path.absolute(), version=str(version), origin=Origin.EXPLICIT)


def _on_path(program: Pinned, report: Reporter) -> Program | None:
    if program.on_path is None:
        return None
    found = shutil.which(program.on_path)
    if found is None:
        return None
    version = read_version(program, Path(found))
    if version is None or not fits(version, program.accepts):
        said = "an unreadable version" if version is None else str(version)
        report(f"{program.name}: {found} has {said}, needed is {program.accepts}; looking further")
        return None
    return Program(name=program.name, path=Path(found), version=str(version), origin=Origin.PATH)


def read_version(program: Pinned, path: Path) -> Version | None:
    """What the program says of its version, or None when it does not start or says nothing that can be read."""
    return _said_version(path, program.version_args)


def version_on_path(name: str, *arguments: str) -> Version | None:
    """The version of a program on PATH that llmdctl only talks about, such as kubectl; None where there is none."""
    found = shutil.which(name)
    return None if found is None else _said_version(Path(found), arguments)


def _said_version(path: Path, arguments: Sequence[str]) -> Version | None:
    try:
        done = subprocess.run(
            [path, *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_VERSION_LIMIT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse(done.stdout) or parse(done.stderr)


def _cached(program: Pinned) -> Program | None:
    entries = [download.entry(program)]
    if golang.available():
        entries.append(golang.build_entry(program))
    for entry in entries:
        if entry is not None and entry.filled:
            return _from_entry(program, entry, Origin.CACHE)
    return None


def downloaded(program: Pinned, report: Reporter) -> Program | None:
    """From the official archive, or None where there is none, none is wanted, or it cannot be had."""
    entry, chosen = download.entry(program), download.pinned_download(program)
    if entry is None or chosen is None or os.environ.get("LLMDCTL_TOOLS") == "build":
        return None
    try:
        entry.fill(lambda folder: download.fetch(chosen, folder, report), report)
    except download.FetchFailed as failure:
        report(f"{program.name} {program.version}: download failed ({failure}); building it instead")
        return None
    return _from_entry(program, entry, Origin.DOWNLOAD)


def built(program: Pinned, report: Reporter, *, given_up: Event | None = None) -> Program:
    """By `go build`, until `given_up` is set. Raises ProgramError without Go, and when the build fails."""
    if not golang.available():
        where = f"put a {program.on_path} {program.accepts} on PATH, " if program.on_path else ""
        raise ProgramError(
            f"{program.name} is needed, was not found, and cannot be built: go is not installed",
            remedy=f"Install Go 1.26 or later, {where}or set {program.variable}=PATH.",
        )
    entry = golang.build_entry(program)

    def make(folder: Path) -> None:
        report(f"{program.name} {program.version}: building it (log: {entry.log})")
        started_s = time.monotonic()
        golang.build(program, assets.tools() / program.family, folder, entry.log, given_up=given_up)
        report(f"{program.name} {program.version}: built in {time.monotonic() - started_s:.0f} s")

    entry.fill(make, report, given_up=given_up)
    return _from_entry(program, entry, Origin.BUILD)


def _from_entry(program: Pinned, entry: Entry, origin: Origin) -> Program:
    path = golang.executable_in(entry.path, program)
    return Program(name=program.name, path=path, version=program.version, origin=origin)
