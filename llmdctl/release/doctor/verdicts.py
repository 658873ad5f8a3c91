"""How a hop is told: passed, broken, not to be told, not part of this deployment."""

from __future__ import annotations

from llmdctl.lint import Manifest
from llmdctl.model.check import Evidence, Outcome
from llmdctl.model.finding import Finding
from llmdctl.model.hop import Hop, HopName
from llmdctl.release.doctor.scene import Unread


def passed(name: HopName, obj: str, saw: str) -> Hop:
    """All is as it should be."""
    return Hop(name=name, object=obj, outcome=Outcome.PASS, saw=saw)


def absent(name: HopName, saw: str) -> Hop:
    """This deployment has no such hop, or there is nothing at it to be judged."""
    return Hop(name=name, object="", outcome=Outcome.SKIP, saw=saw)


def unsure(name: HopName, obj: str, saw: str, *remedy: str) -> Hop:
    """It could not be looked at."""
    return Hop(name=name, object=obj, outcome=Outcome.UNKNOWN, saw=saw, remedy=remedy)


def broken(name: HopName, obj: str, saw: str, expected: str, *remedy: str, evidence: tuple[Evidence, ...] = ()) -> Hop:
    """What was seen, what should have been, and what mends it."""
    return Hop(
        name=name, object=obj, outcome=Outcome.FAIL, saw=saw, expected=expected, remedy=remedy, evidence=evidence
    )


def hidden(name: HopName, entry: Unread) -> Hop:
    """A kind that this identity may not read."""
    if not entry.right:
        return unsure(name, "", f"{entry.kind} could not be listed: {entry.message}")
    where = f" -n {entry.namespace}" if entry.namespace else " -A"
    return unsure(
        name,
        "",
        f"no right to {entry.right}{f' in {entry.namespace}' if entry.namespace else ''}",
        f"Ask an administrator for the right to {entry.right}.",
        f"$ kubectl auth can-i {entry.right}{where}",
    )


def from_lint(name: HopName, found: Finding) -> Hop:
    """A finding of the linter as a broken hop."""
    return broken(
        name,
        found.object,
        f"{found.message} ({found.code})",
        found.remedy or f"what fits: {found.code} is a finding of `llmdctl lint`",
        edit(found.object),
        evidence=(Evidence(object=found.object, observed=found.path),) if found.path else (),
    )


def edit(identity: str) -> str:
    """The command that opens an object: `Kind/namespace/name`."""
    kind, namespace, name = identity.split("/", 2)
    return kubectl(f"edit {resource(kind)} {name}", namespace)


def kubectl(what: str, namespace: str = "") -> str:
    """A command line."""
    return f"$ kubectl -n {namespace} {what}" if namespace else f"$ kubectl {what}"


def resource(kind: str) -> str:
    """As kubectl takes it."""
    return kind.lower()


def quoted(names: list[str] | tuple[str, ...], limit: int = 4) -> str:
    """Some names, and how many more."""
    shown = ", ".join(names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown


def ident(manifest: Manifest) -> str:
    """`Kind/namespace/name`."""
    return manifest.identity
