"""The judges, one a hop, in the order in which a request meets them."""

from __future__ import annotations

from collections.abc import Callable
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

__all__ = ["JUDGES"]
