"""The judges, one a hop, in the order in which a request meets them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Final

from llmdctl.model.hop import Hop, HopName
from llmdctl.release.doctor.case import Case
from llmdctl.release.doctor.hops import address, client, endpoint, engine, epp, listener, model, pool, request, route
from llmdctl.release.doctor.hops import sidecar as sidecars

JUDGES: Final[tuple[tuple[HopName, Callable[[Case], Hop]], ...]] = (
    (HopName.CLIENT, client.judge),
    (HopName.ADDRESS, address.judge),
    (HopName.LISTENER, listener.judge),
    (HopName.ROUTE, route.judge),
    (HopName.POOL, pool.judge),
    (HopName.EPP, epp.judge),
    (HopName.ENDPOINT, endpoint.judge),
    (HopName.SIDECAR, sidecars.judge),
    (HopName.ENGINE, engine.judge),
    (HopName.MODEL, model.judge),
    (HopName.REQUEST, request.judge),
)


def before(hop: HopName) -> Iterator[Callable[[Case], Hop]]:
    """The judges of the hops that a request meets first."""
    yield from (judge for _, judge in itertools.takewhile(lambda entry: entry[0] is not hop, JUDGES))


__all__ = ["JUDGES", "before"]
