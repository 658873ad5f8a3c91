"""What these tests run goes when they end: the gate of a later install counts what their pods hold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Plane
from tests.e2e.sandbox.objects import DEPLOYMENTS, LWS, PODS

_HOLDERS = (PODS, DEPLOYMENTS, LWS)  # a workload that was made a moment ago has no pods yet


@pytest.fixture(autouse=True)
def leaves_nodes_free(request: pytest.FixtureRequest) -> Iterator[None]:
    """Free the nodes of what one test has made, not what is of its module."""
    if "plane" not in request.fixturenames:
        yield
        return
    plane: Plane = request.getfixturevalue("plane")
    before = len(plane.made)
    yield
    for namespace in plane.made[before:]:
        if any(plane.api.items(kind.url(namespace=namespace)) for kind in _HOLDERS):
            plane.free(namespace)
