"""What the engines' own parsers take, by version: full snapshots of some, and the names of many.

Data and sources: `data/<engine>-<version>.json` (recorded from the parser itself) and `data/<engine>-history.json`
(names read from the published source of each version).
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, TypeAlias

Version: TypeAlias = tuple[int, ...]

_SNAPSHOTS: Final = {"vllm": "0.32.0", "sglang": "0.5.23"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """One option of a parser."""

    names: tuple[str, ...]
    kind: str  # switch | int | size | float | json | many | maybe | text
    choices: tuple[str, ...] = ()
    repeats: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Presence:
    """Whether a name is there in a version. `judged_by` is the version that was looked at when it is another one."""

    there: bool | None  # None: the versions on both sides differ, or it lies outside all that are known
    judged_by: str = ""
    since: str = ""  # first known version that has it; empty when none has
    until: str = ""  # last known version that has it


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Engine:
    """All that is known of one engine's flags."""

    name: str
    version: Version  # of the full snapshot
    options: Mapping[str, Accepted]  # by name
    versions: tuple[Version, ...]  # of the history, ascending
    flags: Mapping[str, tuple[tuple[int, int], ...]]  # name -> runs of indices into `versions`
    variables: Mapping[str, tuple[tuple[int, int], ...]]

    def spelled(self, written: str) -> str:
        """A flag as the parser looks for it: vLLM takes `_` for `-` and `--config.key` for a part of an object."""
        if self.name != "vllm":
            return written
        dashes = written[: len(written) - len(written.lstrip("-"))]
        return dashes + written[len(dashes) :].partition(".")[0].replace("_", "-")

    def presence(self, name: str, version: Version) -> Presence:
        """Whether a flag is there; an empty version stands for the newest that is known."""
        return self._presence(self.flags.get(name) or self._positive(name), version)

    def variable(self, name: str, version: Version) -> Presence:
        """Whether an environment variable is there."""
        return self._presence(self.variables.get(name, ()), version)

    def abbreviated(self, name: str, version: Version) -> tuple[str, ...]:
        """The flags of a version that begin with `name`: argparse takes the only one."""
        if not name.startswith("--") or len(name) < 4:
            return ()
        return tuple(flag for flag in self.flags if flag.startswith(name) and self.presence(flag, version).there)

    def nearest(self, name: str, version: Version) -> str | None:
        """The flag of a version that looks most like `name`."""
        there = [flag for flag in self.flags if self.presence(flag, version).there is not False]
        found = difflib.get_close_matches(name, there, n=1, cutoff=0.75)
        return found[0] if found else None

    def accepted(self, name: str) -> Accepted | None:
        """What the full snapshot says of a flag."""
        return self.options.get(name)

    def _positive(self, name: str) -> tuple[tuple[int, int], ...]:
        """A switch's `--no-x` is there where `--x` is, unless the parser itself says otherwise."""
        return self.flags.get("--" + name.removeprefix("--no-"), ()) if name.startswith("--no-") else ()

    def _presence(self, runs: tuple[tuple[int, int], ...], version: Version) -> Presence:
        wanted = version or self.versions[-1]
        exact = wanted in self.versions
        here = [index for index, known in enumerate(self.versions) if known <= wanted][-1:] or [0]
        beyond = wanted < self.versions[0] or wanted > self.versions[-1]
        after = here if exact or beyond else [here[0] + 1]
        answers = {any(first <= index <= last for first, last in runs) for index in (*here, *after)}
        there: bool | None = answers.pop() if len(answers) == 1 else None
        if there is False and (beyond or not version):
            there = None  # it may have come later, or have gone before
        return Presence(
            there=there,
            judged_by="" if exact and version else text(self.versions[here[0]]),
            since=text(self.versions[runs[0][0]]) if runs else "",
            until=text(self.versions[runs[-1][1]]) if runs else "",
        )


def text(version: Version) -> str:
    """(0, 32, 0) as people write it."""
    return ".".join(str(part) for part in version)


@cache
def engine(name: str) -> Engine | None:
    """What is known of an engine; None when nothing is."""
    if name not in _SNAPSHOTS:
        return None
    snapshot, history = _load(f"{name}-{_SNAPSHOTS[name]}.json"), _load(f"{name}-history.json")
    accepted = [
        Accepted(
            names=tuple(row["names"]),
            kind=row["kind"],
            choices=tuple(row.get("choices", ())),
            repeats=row.get("repeats", False),
        )
        for row in snapshot["options"]
    ]
    return Engine(
        name=name,
        version=number(snapshot["version"]),
        options={flag: option for option in accepted for flag in option.names},
        versions=tuple(number(version) for version in history["versions"]),
        flags={flag: tuple((run[0], run[1]) for run in runs) for flag, runs in history["flags"].items()},
        variables={flag: tuple((run[0], run[1]) for run in runs) for flag, runs in history["variables"].items()},
    )


def number(version: str) -> Version:
    """The first three numbers of a version: (0, 5, 13) of `v0.5.13.post1`; empty when it has none."""
    found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", version)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def _load(name: str) -> Any:  # noqa: ANN401 - parsed JSON, checked by what reads it
    return json.loads((files("llmdctl.lint") / "data" / name).read_text(encoding="utf-8"))
