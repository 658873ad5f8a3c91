"""The Go toolchain: building a pinned program, fetching a pinned module."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from llmdctl import assets
from llmdctl.errors import ProgramError
from llmdctl.programs.cache import Entry, cache_root, content_key
from llmdctl.programs.catalog import Pinned

_QUERY_LIMIT_S = 120.0  # `go env` may first fetch the toolchain that go.mod asks for
_LOG_TAIL_LINES = 5
_LOOK_S = 0.2  # how often a build that runs asks whether anybody still wants it
_ENDING_LIMIT_S = 5.0
# The linker leaves debug tables out (`Pinned.ldflags`), so nothing is lost when the compiler does not make them.
_GCFLAGS = "all=-dwarf=false"
# For the compiler and the linker themselves, which spend a quarter of their time on collecting garbage: below this size
# none is collected, and few of them ever grow larger. What they make is the same.
_GARBAGE = {"GOGC": "off", "GOMEMLIMIT": "1GiB"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Toolchain:
    """Everything about Go that changes what a build gives."""

    version: str
    os: str
    arch: str


def available() -> bool:
    """Whether a `go` command is on PATH."""
    return shutil.which("go") is not None


def toolchain(family: Path) -> Toolchain:
    """The toolchain Go picks for this family's go.mod. Raises ProgramError when there is none."""
    if not available():
        raise ProgramError("go is not installed", remedy="Install Go 1.26 or later, or give the programs by path.")
    done = subprocess.run(
        ["go", "env", "GOVERSION", "GOOS", "GOARCH"],
        cwd=family, capture_output=True, text=True, timeout=_QUERY_LIMIT_S, check=False,
    )  # fmt: skip
    lines = done.stdout.split()
    if done.returncode != 0 or len(lines) != 3:
        raise ProgramError(f"go cannot be used: {done.stderr.strip() or 'no answer'}")
    return Toolchain(version=lines[0], os=lines[1], arch=lines[2])


def build_entry(program: Pinned) -> Entry:
    """The cache entry of this program as built here and now. Raises ProgramError without Go."""
    family = assets.tools() / program.family
    go = toolchain(family)
    return entry_for(program, family, go)


def entry_for(program: Pinned, family: Path, go: Toolchain) -> Entry:
    """The entry's key covers every input of the build: module files, package, link flags, toolchain, target."""
    files = [(family / name).read_bytes() for name in ("go.mod", "go.sum", "tools.go")]
    key = content_key([*files, program.package, program.ldflags, _GCFLAGS, go.version, go.os, go.arch])
    return Entry(root=cache_root(), label=f"{_executable(program)}-{program.version}", key=key)


def executable_in(folder: Path, program: Pinned) -> Path:
    """Where an entry holds the program itself."""
    return folder / _executable(program)


def build(program: Pinned, family: Path, folder: Path, log: Path, *, given_up: Event | None = None) -> None:
    """`go build` the program into `folder`, everything it says into `log`. Raises ProgramError naming both.

    Once `given_up` is set, the build ends as by Ctrl-C; what it had compiled stays in Go's own cache.
    """
    target = executable_in(folder, program)
    command = ["go", "build", "-mod=readonly", "-buildvcs=false", "-trimpath"]
    command += ["-gcflags", _GCFLAGS, "-ldflags", program.ldflags, "-o", str(target), program.package]
    surroundings = _GARBAGE | os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"}
    with log.open("w", encoding="utf-8") as output:
        print("$", *command, file=output, flush=True)
        with subprocess.Popen(
            command, cwd=family, env=surroundings,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        ) as building:  # fmt: skip
            code = _waited(building, given_up)
    if code != 0 or not target.is_file():
        tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[1:][-_LOG_TAIL_LINES:]
        raise ProgramError(
            "\n".join([f"building {program.name} {program.version} failed", *tail]),
            remedy=f"The whole log is {log}. A program that you have can be given by {program.variable}=PATH.",
        )


def _waited(building: subprocess.Popen[bytes], given_up: Event | None) -> int:
    """The exit status of a build, which outlives neither this wait nor the wish for it."""
    try:
        while given_up is None or not given_up.is_set():
            try:
                return building.wait(_LOOK_S)
            except subprocess.TimeoutExpired:
                continue
        building.send_signal(signal.SIGINT)  # it removes its own working folder then
        return building.wait(_ENDING_LIMIT_S)
    except subprocess.TimeoutExpired:
        return -signal.SIGKILL
    finally:
        building.kill()  # nothing to one that has ended


def download_module(family: Path, module: str, version: str) -> Path:
    """The folder of one module, fetched through Go and proved by the family's committed go.sum.

    Runs in a copy of the family's files, since Go may write go.sum and an installed package is read-only.
    Raises ProgramError when Go is missing, the module cannot be fetched, or its checksum is not the committed one.
    """
    if not available():
        raise ProgramError(f"go is needed to fetch {module} and is not installed", remedy="Install Go 1.26 or later.")
    with tempfile.TemporaryDirectory(prefix="llmdctl-") as scratch:
        for name in ("go.mod", "go.sum"):
            shutil.copyfile(family / name, Path(scratch) / name)
        done = subprocess.run(
            ["go", "mod", "download", "-json", f"{module}@v{version}"],
            cwd=scratch, env=os.environ | {"GOWORK": "off"}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    try:
        answer = json.loads(done.stdout)
    except json.JSONDecodeError:
        answer = {"Error": done.stderr.strip()}
    if answer.get("Error") or "Dir" not in answer:
        raise ProgramError(f"the module {module} {version} cannot be fetched: {answer.get('Error') or 'no answer'}")
    expected = f"{module} v{version} {answer['Sum']}"
    if expected not in (family / "go.sum").read_text(encoding="utf-8").splitlines():
        raise ProgramError(f"{module} {version} has the checksum {answer['Sum']}, not the one in {family / 'go.sum'}")
    return Path(answer["Dir"])


def _executable(program: Pinned) -> str:
    """The file name; `helm` for every helm, so that messages and process lists read as people expect."""
    return program.on_path if program.on_path == "helm" else program.name
