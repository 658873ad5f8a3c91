"""Releases behind a Gateway that several models share, which is told by a header what a body asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from llmdctl.kube import Reply
from llmdctl.model.check import Outcome
from tests.fakes.pods import PodRequest
from tests.unit.verify.world import World, meta, proof


@dataclass
class Shared(World):
    """Nothing that is not routed by a model's name is answered."""

    def entrance(self, asked: PodRequest) -> Reply:
        return super().entrance(asked) if asked.body else Reply(status=404, body=b"")


def route(*matches: dict[str, Any]) -> dict[str, Any]:
    spec = {"rules": [{"matches": list(matches)}] if matches else [{}]}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": meta("pd", "epp"),
        "spec": spec,
    }


NAMED = {"path": {"value": "/"}, "headers": [{"name": "X-Gateway-Model-Name", "value": "m"}]}


@pytest.mark.parametrize(
    ("matches", "outcome"),
    [((NAMED, NAMED), Outcome.SKIP), ((NAMED, {"path": {"value": "/"}}), Outcome.FAIL), ((), Outcome.FAIL)],
)
def test_a_list_of_models_is_not_claimed_where_bodies_choose_the_route(matches, outcome):
    found = proof(Shared(extra=(route(*matches),)).verify("LV0102"), "LV0102")
    assert found.outcome is outcome, found
