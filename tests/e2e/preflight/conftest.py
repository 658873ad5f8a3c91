"""Namespaces of these tests go when they end: the gate of a later install counts what their pods hold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Plane


@pytest.fixture(autouse=True)
def leaves_nodes_free(request: pytest.FixtureRequest) -> Iterator[None]:
    """Empty the namespaces that one test has made, not those of its module."""
    if "plane" not in request.fixturenames:
        yield
        return
    plane: Plane = request.getfixturevalue("plane")
    before = len(plane.made)
    yield
    for namespace in plane.made[before:]:
        plane.empty(namespace)
