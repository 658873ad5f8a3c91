"""The line with which a pod of a wide group starts, run by a real shell: what the engine is really given."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest

VALUES: dict[str, Any] = {
    "global": {
        "llmd": {
            "model": {"id": "deepseek-ai/DeepSeek-R1-0528", "servedName": 'r1 "quoted" $HOME `id` it\'s'},
            "blockSize": 64,
            "dataParallelLocal": 8,
            "kvEvents": {"enabled": True},
            "roles": {"prefill": {"workload": "LeaderWorkerSet"}, "decode": {"workload": "LeaderWorkerSet"}},
        }
    },
    "scheduler": {"prefixCache": {"source": "precise"}},
    "modelserver": {"roleDefaults": {"nodes": 4, "parallelism": {"data": 32, "expert": True}}},
}
POD = {"POD_IP": "10.0.0.7", "LWS_LEADER_ADDRESS": "pd-decode-0.pd-decode.models"}
"""What Kubernetes substitutes itself; LWS_WORKER_INDEX only the shell needs."""


def words_given(container: dict[str, Any], index: int) -> list[str]:
    """The words after `vllm serve`: a real shell runs the line, with a program that prints its words in its place."""
    command, args = container["command"], container["args"]
    assert args[:2] == ["vllm", "serve"]
    substituted = [re.sub(r"\$\((\w+)\)", lambda match: POD[match.group(1)], word) for word in (*command, *args)]
    at = len(command)
    line = [*substituted[:at], "printf", "%s\\0", *substituted[at + 2 :]]
    done = subprocess.run(line, env={"LWS_WORKER_INDEX": str(index), "HOME": "/wrong"}, check=True, capture_output=True)
    return done.stdout.decode().split("\0")[:-1]


@pytest.fixture(scope="module")
def engines(render) -> dict[str, dict[str, Any]]:
    groups = [item for item in render(VALUES) if item["kind"] == "LeaderWorkerSet"]
    templates = {item["metadata"]["name"]: item["spec"]["leaderWorkerTemplate"]["workerTemplate"] for item in groups}
    return {name: template["spec"]["containers"][0] for name, template in templates.items()}


@pytest.mark.parametrize("index", [0, 1, 3])
@pytest.mark.parametrize("role", ["pd-decode", "pd-prefill"])
def test_each_pod_starts_at_its_own_rank(engines, role: str, index: int) -> None:
    words = words_given(engines[role], index)
    assert f"--data-parallel-start-rank={8 * index}" in words
    assert "--data-parallel-size=32" in words
    assert f"--data-parallel-address={POD['LWS_LEADER_ADDRESS']}" in words


@pytest.mark.parametrize("index", [0, 1, 3])
def test_events_of_every_pod_come_on_the_same_ports(engines, index: int) -> None:
    """vLLM adds a rank's number in the whole group to the port."""
    words = words_given(engines["pd-decode"], index)
    text = next(word for word in words if word.startswith("--kv-events-config=")).partition("=")[2]
    events = json.loads(text)
    base = int(events["endpoint"].rpartition(":")[2])
    ports = [base + rank for rank in range(8 * index, 8 * index + 8)]
    assert ports == list(range(5556, 5564))
    assert events["topic"] == 'kv@10.0.0.7:8000@r1 "quoted" $HOME `id` it\'s'
