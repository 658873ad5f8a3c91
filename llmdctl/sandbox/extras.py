"""What a sandbox can run beside its control plane: `sandbox up --with keda,prometheus`.

An extra is some processes, the files and objects they need, and when they are ready. All of them are started by the
same starter as the control plane, so they end with it and, with a real node, stand in the same network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from llmdctl import programs
from llmdctl.errors import UsageError
from llmdctl.sandbox.api import Api
from llmdctl.sandbox.components import Ports
from llmdctl.sandbox.home import Home
from llmdctl.sandbox.ports import listening


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """Where an extra stands.

    `node_address` is the real node's address, None where all nodes are simulated; `listening` says whether one of the
    sandbox's ports is listened on, wherever its processes stand.
    """

    home: Home
    ports: Ports
    node_address: str | None = None
    listening: Callable[[int], bool] = listening


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One process. `find` gives its program, and is None for a part that our own Python runs."""

    name: str
    find: Callable[[programs.Reporter], programs.Program] | None
    arguments: Callable[[Setting], list[str]]
    ready: Callable[[Setting], bool]
    environment: Callable[[Setting], Mapping[str, str]] = lambda _: {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """The client certificate of a part, and the names it answers to as a server besides loopback's."""

    user: str
    groups: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Extra:
    """Something that `--with` names.

    `identities` is component -> who it is; `write` makes its files, after the certificates; `furnish` its objects,
    before its parts start; `settled` says when all of it works. `plays` are the kwok Stages whose part it takes over.
    """

    name: str
    title: str
    parts: tuple[Part, ...]
    identities: Mapping[str, Identity]
    write: Callable[[Setting], None]
    furnish: Callable[[Api, Setting, programs.Reporter], None]
    settled: Callable[[Api, Setting], bool]
    plays: frozenset[str] = frozenset()


def known() -> dict[str, Extra]:
    """Every extra by name, in the order in which they are brought up: KEDA asks Prometheus."""
    from llmdctl.sandbox import keda, prometheus  # they describe themselves in the terms of this module

    return {extra.name: extra for extra in (prometheus.EXTRA, keda.EXTRA)}


def chosen(names: Iterable[str]) -> tuple[Extra, ...]:
    """The extras of these names, each once. Raises UsageError for a name that is none."""
    extras, asked = known(), set(names)
    for name in sorted(asked - set(extras)):
        raise UsageError(f"'{name}' cannot run beside a sandbox", remedy=f"There is: {', '.join(sorted(extras))}.")
    return tuple(extra for name, extra in extras.items() if name in asked)


def parse(text: str) -> tuple[str, ...]:
    """`keda,prometheus` as names. Raises UsageError as `chosen`."""
    return tuple(extra.name for extra in chosen(filter(None, (piece.strip() for piece in text.split(",")))))


def interpreter_environment() -> dict[str, str]:
    """For a part that our own Python runs: our package from where it runs now."""
    from llmdctl.sandbox import components

    return components.environment(components.ROUTING)
