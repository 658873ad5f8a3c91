"""Every engine container that the charts render is understood, strictly, and becomes what its recipe means."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from llmdctl.sandbox.engine import connectors
from llmdctl.sandbox.engine.__main__ import read
from llmdctl.sandbox.engine.arguments import Settings
from llmdctl.sandbox.engine.shared import Folder, Remote
from tests.engine.process import Server, engine
from tests.engine.rendered import Container, containers
from tests.ports import free_port, free_ports


def named(*, path: str = "", engine: str = "", facet: str = "", role: str = "") -> list[Container]:
    wanted = {"path": path, "engine": engine, "facet": facet, "role": role}
    return [each for each in containers() if all(getattr(each, key) == value for key, value in wanted.items() if value)]


def understood(container: Container, index: int = 0) -> Settings:
    """What pod `index` of its group makes of its command line."""
    return _read(tuple(container.words(index)))


@cache
def _read(words: tuple[str, ...]) -> Settings:
    """Read once: a parser of four hundred flags is made for each line."""
    return read(list(words))


def elsewhere(container: Container, tmp_path: Path) -> Any:
    """Where its blocks are; the file that a ConfigMap would hold is written for it."""
    env = dict(container.env)
    if "MOONCAKE_CONFIG_PATH" in env:
        file = tmp_path / "mooncake.json"
        file.write_text(json.dumps({"master_server_address": env["KV_STORE"]}))
        env["MOONCAKE_CONFIG_PATH"] = str(file)
    return connectors.elsewhere(understood(container), env)


def test_every_container_of_every_recipe_is_understood(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    refused = []
    for container in containers():
        for index in range(container.pods):
            try:
                settings = understood(container, index)
            except SystemExit:
                refused.append((container, capsys.readouterr().err.splitlines()[-1]))
                continue
            serving = [settings.port + at for at in range(settings.ranks.local if settings.ranks.each_serves else 1)]
            assert set(serving) <= set(container.ports), container
            assert settings.engine == container.engine
        elsewhere(container, tmp_path)
    assert refused == []
    paths = {each.path for each in containers()}
    assert len(paths) == 13
    assert {each.engine for each in containers()} == {"vllm", "sglang"}


@pytest.mark.parametrize("index", [0, 1])
def test_a_pod_of_a_wide_group_holds_its_own_ranks_behind_a_port_each(index: int) -> None:
    for container in named(path="wide-ep", facet="precise"):
        settings = understood(container, index)
        ranks = settings.ranks
        assert (ranks.size, ranks.local, ranks.start, ranks.each_serves) == (16, 8, 8 * index, True)
        assert ranks.supervisor_port in container.ports
        assert ranks.group is not None
        assert (ranks.group.host, ranks.group.leader) == ("x-decode-0.x-decode.n", index == 0)
        ports = [connectors.side_channel(settings, container.env, number) for number in ranks.numbers]
        assert ports == [("10.244.0.9", 5600 + number) for number in ranks.numbers]
        first = int(settings.kv_events["endpoint"].rpartition(":")[2])
        assert [first + number for number in ranks.numbers] == list(range(5556, 5564)), "vLLM adds the rank to the port"


@pytest.mark.parametrize(
    ("facet", "engine", "kind", "names"),
    [
        ("cpu", "vllm", None, {"offloading"}),
        ("lmcache-cpu", "vllm", None, {"lmcache"}),
        ("lmcache-redis", "vllm", Remote, {"lmcache"}),
        ("local-nvme", "vllm", Folder, {"lmcache"}),
        ("shared-fs", "vllm", Folder, {"offloading", "tiering"}),
        ("mooncake", "vllm", Remote, {"mooncake"}),
        ("mooncake", "sglang", Remote, set()),
        ("cpu", "sglang", None, set()),
    ],
)  # fmt: skip
def test_tiers_are_where_the_recipe_says(facet: str, engine: str, kind: Any, names: set[str], tmp_path: Path) -> None:
    found = named(facet=facet, engine=engine, role="prefill") + named(facet=facet, engine=engine, role="prefill-decode")
    assert found
    for container in found:
        there = elsewhere(container, tmp_path)
        assert (there.shared and type(there.shared)) == kind
        assert there.names - {"nixl"} == names
        if facet != "mooncake":
            assert there.cpu_bytes > 2**35


def test_prefill_and_decode_find_each_other() -> None:
    for container in named(path="pd-disaggregation", engine="vllm"):
        settings = understood(container)
        assert connectors.side_channel(settings, container.env, 0) == ("10.244.0.9", 5600)
    modes = {
        container.role: understood(container).disaggregation
        for container in named(path="pd-disaggregation", engine="sglang", facet="default")
    }
    assert modes == {"prefill": "prefill", "decode": "decode"}


def test_adapters_and_drain() -> None:
    for container in named(facet="two-adapters"):
        settings = understood(container)
        assert settings.adapters == {"sql": "/adapters/sql", "de": "/adapters/de"}
        assert settings.max_loras == 2
    assert all(understood(each).shutdown_s == 110 for each in named(engine="vllm", facet="default"))
    assert all(understood(each).shutdown_s is None for each in named(engine="sglang"))


def test_precise_routing_gets_events_of_either_engine() -> None:
    engines = {each.engine for each in named(facet="precise") if understood(each).kv_events["enable_kv_cache_events"]}
    assert engines == {"vllm", "sglang"}


@pytest.mark.allow_loopback
@pytest.mark.parametrize(
    ("path", "engine_name", "roles"),
    [
        ("optimized-baseline", "vllm", {"prefill-decode": 1}),
        ("optimized-baseline", "sglang", {"prefill-decode": 1}),
        ("pd-disaggregation", "vllm", {"decode": 1, "prefill": 1}),
        ("pd-disaggregation", "sglang", {"decode": 1, "prefill": 1}),
        ("multimodal-epd", "vllm", {"decode": 1, "encode": 1, "prefill": 1}),
        ("wide-ep", "vllm", {"decode": 8, "prefill": 8}),
    ],
)
def test_every_set_of_roles_starts_and_answers(path: str, engine_name: str, roles: dict[str, int]) -> None:
    """As rendered; ports alone are others, since all of this machine's processes share them."""
    found = {each.role: each for each in named(path=path, engine=engine_name, facet="default")}
    assert set(found) == set(roles)
    for role, ranks in roles.items():
        container, first = found[role], free_ports(ranks)
        moved = ["--data-parallel-supervisor-port", str(free_port()), "--data-parallel-rpc-port", str(free_port())]
        bootstrap = ["--disaggregation-bootstrap-port", str(free_port())]
        words = [*container.words(), *(moved if ranks > 1 else bootstrap if engine_name == "sglang" else [])]
        own = {"VLLM_NIXL_SIDE_CHANNEL_HOST": "127.0.0.1", "VLLM_NIXL_SIDE_CHANNEL_PORT": str(free_ports(ranks))}
        with engine(*words, environment={**container.env, **own}, port=first) as server:
            for rank in range(ranks):
                answer = Server(port=first + rank, process=server.process).ask("/v1/completions", {"prompt": "one two"})
                assert answer.status == 200, (role, rank, answer.body)
