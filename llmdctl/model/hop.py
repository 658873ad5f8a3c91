"""The way of a request as a chain of hops, what was seen at each, and the first one that is broken."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from llmdctl.model.check import Evidence, Outcome


class HopName(StrEnum):
    """The hops in the order in which a request meets them."""

    CLIENT = "client"  # this machine, its identity and its rights
    ADDRESS = "address"  # a Gateway's or a Service's address
    LISTENER = "listener"  # what accepts connections there
    ROUTE = "route"  # HTTPRoute: from the listener to the pool
    POOL = "pool"  # InferencePool: which pods, which ports, which picker
    EPP = "epp"  # the endpoint picker
    ENDPOINT = "endpoint"  # the pods as the picker sees them
    SIDECAR = "sidecar"  # the routing sidecar between prefill and decode
    ENGINE = "engine"  # the model server
    MODEL = "model"  # the name that is served
    REQUEST = "request"  # one real request through all of them


@dataclass(frozen=True, kw_only=True, slots=True)
class Hop:
    """One hop: what stands there, and what was seen of it.

    `fail` is broken; `unknown` could not be looked at, with the reason; `skip` is either not part of this deployment
    or not looked at, because a hop before it is broken.
    """

    name: HopName
    object: str  # Kind/namespace/name; empty where there is none
    outcome: Outcome
    saw: str
    expected: str = ""
    remedy: tuple[str, ...] = ()  # sentences, or commands that begin with `$ `
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Also:
    """Something else that is wrong, wherever in the chain. `fail` is broken, `warn` is not as one would want it."""

    kind: str  # pending | crash-loop | out-of-memory | hung | image | configuration | not-ready | lint
    object: str
    outcome: Outcome
    message: str
    remedy: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """The way to one pool."""

    pool: str  # namespace/name
    entrance: str  # the address that a client uses, as far as it is known
    hops: tuple[Hop, ...]
    also: tuple[Also, ...] = ()

    @property
    def broken(self) -> Hop | None:
        """The first broken hop."""
        return next((hop for hop in self.hops if hop.outcome is Outcome.FAIL), None)

    @property
    def answered(self) -> bool:
        """Whether a real request was served."""
        return any(hop.name is HopName.REQUEST and hop.outcome is Outcome.PASS for hop in self.hops)

    @property
    def undecided(self) -> tuple[Hop, ...]:
        """Hops that could not be looked at; none once a real request has come through all of them."""
        return () if self.answered else tuple(hop for hop in self.hops if hop.outcome is Outcome.UNKNOWN)


HEALTHY: Final = 0
UNDECIDED: Final = 5  # as for any refusal of the cluster
BROKEN: Final = 9


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """All chains that were looked at."""

    release: str  # empty: whatever is there
    namespace: str  # empty: every namespace
    server: str
    chains: tuple[Chain, ...]
    requests: int  # that were sent to models

    @property
    def exit_code(self) -> int:
        """0: healthy; 9: something is broken; 5: nothing is, as far as it could be looked at."""
        if any(chain.broken or any(found.outcome is Outcome.FAIL for found in chain.also) for chain in self.chains):
            return BROKEN
        return UNDECIDED if any(chain.undecided for chain in self.chains) else HEALTHY
