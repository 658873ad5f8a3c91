"""Where v0.10.0 differs from the build that the data of 0.10 was taken from, nobody knows, and that is said."""

from __future__ import annotations

from typing import Any

import pytest

from llmdctl.lint.epp import check_value
from llmdctl.model.finding import Severity

PROFILE = [{"name": "default", "plugins": [{"pluginRef": "queue-scorer"}]}]


def config(*plugins: dict[str, Any], **top: Any) -> dict[str, Any]:
    return {"plugins": [{"type": "queue-scorer"}, *plugins], "schedulingProfiles": PROFILE, **top}


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (config({"type": "sglanghttp-parser"}), ("plugins", 1, "type")),
        (config(dataLayer={"peerDiscovery": {"pluginRef": "a"}}), ("dataLayer", "peerDiscovery")),
        (
            config({"type": "program-aware-fairness", "parameters": {"lasDecayFactor": 0.9}}),
            ("plugins", 1, "parameters", "lasDecayFactor"),
        ),
        (
            config(
                {
                    "type": "precise-prefix-cache-producer",
                    "parameters": {"tokenProcessorConfig": {"hashAlgorithm": "x"}},
                }
            ),
            ("plugins", 1, "parameters", "tokenProcessorConfig", "hashAlgorithm"),
        ),
    ],
)
def test_unknown_is_said(value: dict[str, Any], path: tuple[str | int, ...]) -> None:
    verdict = check_value(value, "0.10")
    (unknown,) = [item for item in verdict.remarks if item.severity is Severity.UNKNOWN]
    assert (unknown.code, unknown.path) == ("LD1830", path)
    assert verdict.accepted


def test_of_0_9_it_is_known() -> None:
    assert not check_value(config({"type": "sglanghttp-parser"}), "0.9").accepted
    fair = config({"type": "program-aware-fairness", "parameters": {"lasDecayFactor": 0.9}})
    assert check_value(fair, "0.9").accepted
