"""`gather`: all the programs that something needs, those that must be built two at a time.

One build leaves a processor idle while its linker works, and while it waits for modules; two fill both. More would only
take memory: a linker takes up to 2 GB. Programs of one lane (`catalog.LANES`) are compiled from the same packages, so
they follow each other and find in Go's cache what the one before has compiled. So does everything with the standard
library: nothing is built beside the very first program.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from queue import Empty, SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, Final

from llmdctl.programs import download, sources
from llmdctl.programs.catalog import Pinned, lane_of, pinned
from llmdctl.programs.origin import Program, Reporter, silent

if TYPE_CHECKING:
    from concurrent.futures import Future

_BUILDS_AT_ONCE: Final = 2
_LOOK_S: Final = 0.2

Lane = list[Pinned]


def gather(names: Iterable[str], *, report: Reporter = silent) -> dict[str, Program]:
    """Each of the named programs as `find` would give it, in the order of the names.

    `report` is called in the caller's thread only. Raises ProgramError as `find` does; then, and when interrupted, the
    builds that still run are ended first.
    """
    wanted = [pinned(name) for name in dict.fromkeys(names)]
    found = {program.name: made for program in wanted if (made := sources.at_hand(program, None, report))}
    found |= _downloaded([program for program in wanted if program.name not in found], report)
    lacking = [program for program in wanted if program.name not in found]
    if lacking:
        first, *others = sorted(lacking, key=lane_of)
        found |= _built([[first]], report)
        found |= _built(_lanes(others), report)
    return {program.name: found[program.name] for program in wanted}


def _downloaded(wanted: Iterable[Pinned], report: Reporter) -> dict[str, Program]:
    """What official archives give; one that cannot be had is tried once, however many programs are in it."""
    found, failed = {}, set()
    for program in wanted:
        entry = download.entry(program)
        if entry is None or entry.key in failed:
            continue
        made = sources.downloaded(program, report)
        if made is None:
            failed.add(entry.key)
        else:
            found[program.name] = made
    return found


def _lanes(programs: Iterable[Pinned]) -> list[Lane]:
    lanes: dict[int, Lane] = {}
    for program in programs:
        lanes.setdefault(lane_of(program), []).append(program)
    return list(lanes.values())


def _built(lanes: list[Lane], report: Reporter) -> dict[str, Program]:
    """All programs of all lanes: first the first of each, the others whenever that is done and a place is free."""
    from concurrent.futures import ThreadPoolExecutor  # only a build needs it, and every command imports this module

    said: SimpleQueue[str | Future[Program]] = SimpleQueue()  # lines of progress, and builds that are done
    given_up = Event()
    followers = {first.name: others for first, *others in lanes}
    found: dict[str, Program] = {}
    with ThreadPoolExecutor(_BUILDS_AT_ONCE) as pool:

        def begin(program: Pinned) -> None:
            pool.submit(sources.built, program, said.put, given_up=given_up).add_done_callback(said.put)

        try:
            for lane in lanes:
                begin(lane[0])
            while len(found) < sum(map(len, lanes)):
                with contextlib.suppress(Empty):
                    # With a limit: a Ctrl-C between two looks at signals would not wake one who waits without end.
                    match said.get(timeout=_LOOK_S):
                        case str(line):
                            report(line)
                        case done:
                            made = done.result()
                            found[made.name] = made
                            for program in followers.pop(made.name, []):
                                begin(program)
        finally:
            given_up.set()
            pool.shutdown(cancel_futures=True)
    return found
