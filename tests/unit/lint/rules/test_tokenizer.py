"""EPP 0.7 with a precise prefix index: who makes the socket that it asks for tokens."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from llmdctl.lint.manifest import Manifest
from llmdctl.lint.rules import prefix_cache
from llmdctl.lint.world import Versions, World
from llmdctl.model.finding import Finding

SOCKET = {"name": "socket", "mountPath": "/tmp/tokenizer"}
ALONE = {"socket": {"emptyDir": {}}}
SCORER = {
    "type": "precise-prefix-cache-scorer",
    "parameters": {"indexerConfig": {"tokenizersPoolConfig": {"modelName": "m", "uds": {}}}},
}
TOKENIZER = {"type": "tokenizer", "parameters": {"modelName": "m"}}


def found(
    plugin: dict[str, Any],
    *,
    mine: list[dict[str, Any]] | None = None,
    volumes: dict[str, Any] | None = None,
    beside: dict[str, Any] | None = None,
    epp: str = "0.7.1",
) -> list[Finding]:
    config = {"kind": "EndpointPickerConfig", "plugins": [plugin]}
    args = ["--pool-name=p", f"--config-text={yaml.safe_dump(config)}"]
    picker = {"name": "epp", "image": "ghcr.io/llm-d/llm-d-inference-scheduler:v0.7.1", "args": args}
    spec = {
        "containers": [{**picker, "volumeMounts": mine or []}, *([beside] if beside else [])],
        "volumes": [{"name": name, **source} for name, source in (volumes or {}).items()],
    }
    deployment = {"kind": "Deployment", "metadata": {"name": "epp"}, "spec": {"template": {"spec": spec}}}
    world = World([Manifest(value=deployment)], Versions(epp=epp))
    assert len(world.epps) == 1
    return [each for each in prefix_cache.check(world) if each.code == "LD1974"]


@pytest.mark.parametrize("plugin", [SCORER, TOKENIZER], ids=["scorer", "tokenizer"])
def test_a_socket_that_no_other_container_can_make_is_named(plugin: dict[str, Any]) -> None:
    for more in ({}, {"mine": [SOCKET], "volumes": ALONE}):
        (finding,) = found(plugin, **more)
        assert "/tmp/tokenizer/tokenizer-uds.socket" in finding.message


SHARED = {"name": "tokenizer", "image": "ghcr.io/llm-d/llm-d-uds-tokenizer:v0.7.1", "volumeMounts": [SOCKET]}
ELSEWHERE = {
    "type": "precise-prefix-cache-scorer",
    "parameters": {"indexerConfig": {"tokenizersPoolConfig": {"modelName": "m", "uds": {"socketFile": "/run/t/s"}}}},
}
QUIET = {
    "a container beside it shares the folder": (SCORER, {"mine": [SOCKET], "volumes": ALONE, "beside": SHARED}),
    "a folder of the node": (SCORER, {"mine": [SOCKET], "volumes": {"socket": {"hostPath": {"path": "/run/t"}}}}),
    "a later picker, which asks a render service": (SCORER, {"epp": "0.9.0"}),
    "the scorer without uds is refused for that": (
        {"type": "precise-prefix-cache-scorer", "parameters": {"indexerConfig": {"tokenizersPoolConfig": {}}}}, {},
    ),
    "an approximate index asks nobody": ({"type": "prefix-cache-scorer"}, {}),
}  # fmt: skip


@pytest.mark.parametrize("case", QUIET)
def test_what_somebody_may_serve_or_nobody_asks_is_not(case: str) -> None:
    plugin, more = QUIET[case]
    assert found(plugin, **more) == []


def test_the_folder_that_counts_is_that_of_the_socket_that_is_asked() -> None:
    (finding,) = found(ELSEWHERE, mine=[SOCKET], volumes=ALONE, beside=SHARED)
    assert "/run/t/s" in finding.message
