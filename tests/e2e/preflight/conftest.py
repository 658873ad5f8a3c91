"""Namespaces of these tests go when they end: the gate of a later install counts what their pods hold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Plane
from tests.e2e.sandbox.objects import DEPLOYMENTS, LWS, PODS

_HOLDERS = (PODS, DEPLOYMENTS, LWS)  # a workload that was made a moment ago has no pods yet


@pytest.fixture(autouse=True)
def leaves_nodes_free(request: pytest.FixtureRequest) -> Iterator[None]:
    """Empty the namespaces with workloads that one test has made, not those of its module.

    Others hold nothing of a node, and removing one costs the control plane some two hundred requests.
    """
    if "plane" not in request.fixturenames:
        yield
        return
    plane: Plane = request.getfixturevalue("plane")
    before = len(plane.made)
    yield
    for namespace in plane.made[before:]:
        if any(plane.api.items(kind.url(namespace=namespace)) for kind in _HOLDERS):
            plane.empty(namespace)
