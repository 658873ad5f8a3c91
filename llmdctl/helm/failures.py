"""Helm's words -> our errors. One rule a kind of failure; the first that matches wins; nothing matched is a HelmError.

The patterns are what helm 3.22 and 4.3 print (`pkg/action`, `pkg/kube`, and the API server's own messages in them).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from llmdctl.errors import (
    ClusterError,
    ConflictError,
    ForbiddenError,
    HelmError,
    LlmdctlError,
    Problem,
    RecipeError,
    UnauthenticatedError,
    UnreachableError,
)

_LONGEST: Final = 1500  # characters of helm's words that are passed on; helm 3 quotes whole objects
_ADVICE: Final = "Use --debug flag to render out invalid YAML"  # of helm template, to a flag that llmdctl has not
_QUOTED_OBJECT = re.compile(r'"\{\\".*\}"', re.DOTALL)
_PREFIX = re.compile(r"^(?:Error: |UPGRADE FAILED: |INSTALLATION FAILED: |ROLLBACK FAILED: )+", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Release:
    name: str
    namespace: str


def translate(stderr: str, *, name: str, namespace: str) -> LlmdctlError:
    """The error to raise for what helm said about a release."""
    said = words(stderr)
    for pattern, make in _RULES:
        found = pattern.search(said)
        if found is not None:
            return make(found, said, _Release(name=name, namespace=namespace))
    return HelmError(f"helm failed: {said}")


def translate_render(said: str, *, chart: str) -> LlmdctlError:
    """The error to raise for a chart that does not render."""
    said = words(said)
    for pattern, make in _RENDER_RULES:
        found = pattern.search(said)
        if found is not None:
            return make(found, said, _Release(name="", namespace=""))
    return HelmError(f"the chart {chart} does not render: {said}")


def words(stderr: str) -> str:
    """Helm's own message: without its log lines and prefixes, quoted objects cut out (they may hold secrets)."""
    lines = stderr.strip().splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith("Error: ")), 0)
    text = _PREFIX.sub("", "\n".join(line for line in lines[start:] if not line.startswith(_ADVICE)).strip())
    text = _QUOTED_OBJECT.sub('"{…}"', text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _schema(_: re.Match[str], said: str, __: _Release) -> LlmdctlError:
    """Lines `chart:` and below them `- at '/replicas': got string, want integer`."""
    problems: list[Problem] = []
    charts: list[str] = []
    for line in said.splitlines()[1:]:
        place = re.match(r"\s*- (?:at '([^']*)': )?(.*)", line)
        if place is not None:
            pointer = [part for part in (place.group(1) or "").split("/") if part]
            # The first chart named is the one installed; what it has as a subchart sits under the subchart's name.
            prefix = charts[-1:] if len(charts) > 1 else []
            problems.append(Problem(message=place.group(2), path=".".join([*prefix, *pointer]) or None))
        elif line.strip().endswith(":"):
            charts.append(line.strip().removesuffix(":"))
    return RecipeError("the values do not fit the chart's schema", problems=tuple(problems))


def _chart_refuses(found: re.Match[str], _: str, __: _Release) -> LlmdctlError:
    return RecipeError(found.group("message").strip())


def _field_conflict(_: re.Match[str], said: str, release: _Release) -> LlmdctlError:
    managers = sorted(set(re.findall(r'conflicts? with "([^"]+)"', said)))
    fields = re.findall(r"""(?:conflicts? with "[^"]+"[^:\n]*: |^- )(\.\S+)""", said, re.MULTILINE)
    target = re.search(r"applying object (\S+) \S+ Kind=(\w+)", said)
    what = f"{target.group(2)} {target.group(1)}" if target else f"an object of release {release.name}"
    return ConflictError(
        f"{what}: another field manager, {_and(managers)}, owns {', '.join(fields) or 'some of its fields'}",
        remedy="Leave these fields to it, or take them over with --force-conflicts.",
    )


def _foreign_owner(found: re.Match[str], said: str, release: _Release) -> LlmdctlError:
    owner = re.search(r'"meta.helm.sh/release-name" must equal "[^"]*": current value is "([^"]+)"', said)
    namespace = re.search(r'"meta.helm.sh/release-namespace" must equal "[^"]*": current value is "([^"]+)"', said)
    if owner is not None:
        by = f"Helm release {owner.group(1)}" + (f" in namespace {namespace.group(1)}" if namespace else "")
    elif namespace is not None:
        by = f"the Helm release of the same name in namespace {namespace.group(1)}"
    else:
        by = "nobody that Helm knows"
    return ConflictError(
        f"{found.group('object')} exists already and belongs to {by}; release {release.name} will not take it over",
        remedy="Remove or rename it, give this release another name, or adopt it with --take-ownership.",
    )


def _in_progress(_: re.Match[str], __: str, release: _Release) -> LlmdctlError:
    return HelmError(
        f"another operation on release {release.name} is in progress",
        remedy="Wait for it to end and run the command again; llmdctl clears what a killed process left.",
    )


def _unauthenticated(_: re.Match[str], said: str, __: _Release) -> LlmdctlError:
    return UnauthenticatedError(
        f"the cluster does not accept the credentials: {said}", remedy="Log in again, or choose another --context."
    )


def _no_context(found: re.Match[str], _: str, __: _Release) -> LlmdctlError:
    return UnreachableError(
        f"the kubeconfig has no context {found.group(1)!r}", remedy="Choose one of its contexts with --context."
    )


def _unreachable(_: re.Match[str], said: str, __: _Release) -> LlmdctlError:
    return UnreachableError(said, remedy="Check the kubeconfig, --context and the network.")


def _forbidden(_: re.Match[str], said: str, __: _Release) -> LlmdctlError:
    return ForbiddenError(f"the cluster refuses: {said}", remedy="Ask an administrator for this right.")


def _no_such_kind(found: re.Match[str], _: str, __: _Release) -> LlmdctlError:
    return ClusterError(
        f"the cluster does not know {found.group(1)} in {found.group(2)}: its CustomResourceDefinition is missing",
        remedy="Install it with --with-prerequisites, or ask an administrator.",
    )


def _no_namespace(found: re.Match[str], _: str, __: _Release) -> LlmdctlError:
    return ClusterError(f"the namespace {found.group(1)} does not exist", remedy="Have it created first.")


def _timed_out(_: re.Match[str], said: str, __: _Release) -> LlmdctlError:
    return HelmError(f"helm ran out of time: {said}", remedy="Raise --timeout and run the command again.")


def _and(names: list[str]) -> str:
    return " and ".join(f"'{name}'" for name in names) or "somebody else"


_Make = Callable[[re.Match[str], str, _Release], LlmdctlError]

_RENDER_RULES: Final[tuple[tuple[re.Pattern[str], _Make], ...]] = (
    (re.compile(r"values don't meet the specifications of the schema"), _schema),
    # `fail` and `required` in a chart: its own words to the person who set the values.
    (re.compile(r"execution error at \((?P<place>[^)]*)\): (?P<message>.*)", re.DOTALL), _chart_refuses),
)

_RULES: Final[tuple[tuple[re.Pattern[str], _Make], ...]] = (
    *_RENDER_RULES,
    (re.compile(r"Apply failed with \d+ conflict"), _field_conflict),
    (re.compile(r"(?P<object>\S+ \"\S+\"(?: in namespace \"\S*\")?) exists and cannot be imported"), _foreign_owner),
    (re.compile(r"another operation \(install/upgrade/rollback\) is in progress"), _in_progress),
    (re.compile(r"Unauthorized|asked for the client to provide credentials"), _unauthenticated),
    (re.compile(r'context "([^"]*)" does not exist'), _no_context),
    (re.compile(r"cluster unreachable|connection refused|no such host|i/o timeout|TLS handshake", re.I), _unreachable),
    (re.compile(r"is forbidden: User|is forbidden: .*cannot "), _forbidden),
    (re.compile(r'no matches for kind "([^"]+)" in version "([^"]+)"'), _no_such_kind),
    (re.compile(r'namespaces "([^"]+)" not found'), _no_namespace),
    (re.compile(r"timed out waiting|context deadline exceeded"), _timed_out),
)
