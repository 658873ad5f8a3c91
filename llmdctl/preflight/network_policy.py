"""What NetworkPolicies let through: the union of what the policies of both ends allow.

https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from llmdctl.preflight.selector import selects

Item = Mapping[str, Any]
_EVERYWHERE: Final = ("0.0.0.0/0", "::/0")


class Ruling(StrEnum):
    """What policies say of one connection."""

    ALLOWED = "allowed"
    BLOCKED = "blocked"
    UNCERTAIN = "uncertain"  # a rule names addresses, and whether they are meant is not known


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """A pod, or an address outside of the cluster (no namespace)."""

    name: str  # as messages say it
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)  # name -> number, which policies may use instead


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """From one end to a port of another."""

    source: End
    target: End
    port: int
    protocol: str = "TCP"

    def __str__(self) -> str:
        return f"{self.source.name} to {self.target.name}, port {self.port}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Blocked:
    """A connection that is not let through, or perhaps not."""

    connection: Connection
    ruling: Ruling
    policies: tuple[str, ...]  # those that isolate the end, as Kind/namespace/name
    direction: str  # ingress | egress


def judged(policies: Iterable[Item], connection: Connection) -> Blocked | None:
    """None where both ends let it through."""
    listed = tuple(policies)
    for direction, own, other in (
        ("egress", connection.source, connection.target),
        ("ingress", connection.target, connection.source),
    ):
        isolating = [each for each in listed if _isolates(each, own, direction)]
        if not isolating:
            continue
        rulings = {_ruling(each, direction, other, connection) for each in isolating}
        if Ruling.ALLOWED not in rulings:
            return Blocked(
                connection=connection,
                ruling=Ruling.UNCERTAIN if Ruling.UNCERTAIN in rulings else Ruling.BLOCKED,
                policies=tuple(_identity(each) for each in isolating),
                direction=direction,
            )
    return None


def directions(policy: Item) -> tuple[str, ...]:
    """What a policy isolates its pods from: ingress, egress or both."""
    spec = policy.get("spec") or {}
    stated = spec.get("policyTypes")
    if stated:
        return tuple(str(each).lower() for each in stated)
    return ("ingress", "egress") if spec.get("egress") else ("ingress",)


def _identity(policy: Item) -> str:
    metadata = policy.get("metadata") or {}
    return f"NetworkPolicy/{metadata.get('namespace', '')}/{metadata.get('name', '')}"


def _isolates(policy: Item, end: End, direction: str) -> bool:
    if not end.namespace or (policy.get("metadata") or {}).get("namespace") != end.namespace:
        return False
    selector = (policy.get("spec") or {}).get("podSelector") or {}
    return direction in directions(policy) and selects(selector, end.labels)


def _ruling(policy: Item, direction: str, other: End, connection: Connection) -> Ruling:
    peers = "to" if direction == "egress" else "from"
    found = Ruling.BLOCKED
    for rule in (policy.get("spec") or {}).get(direction) or ():
        if not _port(rule.get("ports") or (), connection):
            continue
        rows = rule.get(peers)
        if not rows:
            return Ruling.ALLOWED
        rulings = {_peer(row, other, str((policy.get("metadata") or {}).get("namespace", ""))) for row in rows}
        if Ruling.ALLOWED in rulings:
            return Ruling.ALLOWED
        if Ruling.UNCERTAIN in rulings:
            found = Ruling.UNCERTAIN
    return found


def _port(rows: Iterable[Item], connection: Connection) -> bool:
    listed = tuple(rows)
    return not listed or any(_same(row, connection) for row in listed)


def _same(row: Item, connection: Connection) -> bool:
    if row.get("protocol", "TCP") != connection.protocol:
        return False
    port = row.get("port")
    if port is None:
        return True
    if isinstance(port, str) and not port.isdecimal():
        return connection.target.ports.get(port) == connection.port
    return int(port) <= connection.port <= int(row.get("endPort") or port)


def _peer(row: Item, end: End, own_namespace: str) -> Ruling:
    block = row.get("ipBlock")
    if isinstance(block, Mapping):
        return Ruling.ALLOWED if block.get("cidr") in _EVERYWHERE and not block.get("except") else Ruling.UNCERTAIN
    if not end.namespace:
        return Ruling.BLOCKED
    spaces = row.get("namespaceSelector")
    if spaces is None:
        inside = end.namespace == own_namespace
    else:
        inside = selects(spaces, {"kubernetes.io/metadata.name": end.namespace, **end.namespace_labels})
    pods = row.get("podSelector")
    return Ruling.ALLOWED if inside and (pods is None or selects(pods, end.labels)) else Ruling.BLOCKED


def stopped(policies: Iterable[Item], connections: Iterable[Connection]) -> Iterator[Blocked]:
    """Every connection that policies do not clearly let through."""
    listed = tuple(policies)
    for connection in connections:
        found = judged(listed, connection)
        if found is not None:
            yield found
