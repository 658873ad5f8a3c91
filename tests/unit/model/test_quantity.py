"""Kubernetes quantities."""

from __future__ import annotations

import pytest

from llmdctl.model.quantity import amount, resources


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("4", 4), (4, 4), ("1500m", 1.5), ("96Gi", 96 * 2**30), ("1G", 1e9), ("1e3", 1000), ("1E", 1e18), ("2Ki", 2048),
        (".5", 0.5), ("", None), ("x", None), (True, None), (None, None), ("4 Gi", None),
    ],
)  # fmt: skip
def test_amounts(written: object, number: float | None) -> None:
    assert amount(written) == number


def test_limits_are_over_requests() -> None:
    container = {"resources": {"requests": {"memory": "1Gi", "cpu": "2"}, "limits": {"memory": "2Gi"}}}
    assert resources(container) == {"memory": 2.0 * 2**30, "cpu": 2.0}
