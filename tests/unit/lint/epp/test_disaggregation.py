"""Configurations that start and never split prefill from decode."""

from __future__ import annotations

from typing import Any

import pytest

from llmdctl.lint.epp import check_value

HEADERS = {"type": "disagg-headers-handler"}


def config(decider: dict[str, Any], *more: dict[str, Any], gates: tuple[str, ...] = ()) -> dict[str, Any]:
    name = decider.get("name", decider["type"])
    handler = {"type": "disagg-profile-handler", "parameters": {"deciders": {"prefill": name}}}
    profile = [{"pluginRef": "queue-scorer"}]
    return {
        "plugins": [{"type": "queue-scorer"}, decider, handler, *more],
        "featureGates": list(gates),
        "schedulingProfiles": [{"name": name, "plugins": profile} for name in ("prefill", "decode")],
    }


def by_prefix(**parameters: int) -> dict[str, Any]:
    return {"type": "prefix-based-pd-decider", "parameters": parameters}


@pytest.mark.parametrize(
    ("version", "value", "count"),
    [
        ("0.9", config({"type": "always-disagg-pd-decider"}), 0),
        ("0.9", config(by_prefix(nonCachedTokens=256)), 0),
        ("0.9", config(by_prefix(nonCachedTokens=0)), 1),
        ("0.9", config(by_prefix()), 1),
        ("0.10", config(by_prefix(promptTokens=100)), 1),
        ("0.9", config({"name": "mine", **by_prefix()}), 1),
        ("0.7", config({"type": "always-disagg-pd-decider"}), 1),
        ("0.7", config({"type": "always-disagg-pd-decider"}, HEADERS), 0),
        ("0.7", config(by_prefix(nonCachedTokens=256), HEADERS), 1),
        ("0.7", config(by_prefix(nonCachedTokens=256), HEADERS, gates=("prepareDataPlugins",)), 0),
        ("0.7", config(by_prefix()), 3),
    ],
)
def test_never_split(version: str, value: dict[str, Any], count: int) -> None:
    verdict = check_value(value, version)
    assert verdict.accepted
    assert [item.code for item in verdict.remarks if item.code == "LD1833"] == ["LD1833"] * count
