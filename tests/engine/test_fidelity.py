"""The simulated engine against what a real vLLM 0.32.0 answered: shapes, codes, words of errors, names of metrics."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.exchanges import ASKED, COMPLETIONS, REFUSED
from tests.engine.process import Server, engine
from tests.engine.recording import listening, record
from tests.engine.variants import RECORDINGS, SERVED
from tests.ports import free_port

EARLIER = RECORDINGS.parent / "vllm-0.32"
MADE = os.environ.get("LLMDCTL_VLLM_RECORDINGS")
FULL = [Path(MADE) / "default"] if MADE else [RECORDINGS / "default", EARLIER]
NOT_SIMULATED = {
    "vllm:estimated_flops_per_gpu": "no model, no operations",
    "vllm:estimated_read_bytes_per_gpu": "no model, no memory traffic",
    "vllm:estimated_write_bytes_per_gpu": "no model, no memory traffic",
    "vllm:admission_rejections": "counts refusals by --max-num-queued-*, which have no effect here",
}
pytestmark = pytest.mark.allow_loopback


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with engine("serve", "./tiny", *SERVED) as running:
        yield running


@pytest.fixture(scope="module", params=FULL, ids=lambda folder: folder.parent.name + "/" + folder.name)
def recorded(request: pytest.FixtureRequest) -> Path:
    """What a real one answered: recorded by `make e2e-vllm`, and once before by other hands."""
    folder: Path = request.param
    return folder


def status(recorded: Path, name: str) -> int:
    return int((recorded / f"{name}.headers").read_text().split()[1])


def shape(value: Any) -> Any:
    """Keys and types; of a list, the shapes that it holds."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        shapes = [shape(inner) for inner in value]
        return [each for at, each in enumerate(shapes) if each not in shapes[:at]]
    return type(value).__name__


def chunks(body: bytes) -> list[Any]:
    lines = [line[6:] for line in body.decode().splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


@pytest.mark.parametrize("name", [name for name in ASKED if "stream" not in name])
def test_an_answer_has_the_shape_of_the_real_one(server: Server, recorded: Path, name: str) -> None:
    path, body = ASKED[name]
    answer = server.ask(path, body)
    assert answer.status == status(recorded, name)
    recorded = (recorded / f"{name}.body").read_bytes()
    if not recorded:
        assert not answer.body
        return
    theirs, ours = json.loads(recorded), answer.document
    if name == "completion-logprobs":  # keys of this one are words
        for each in (theirs, ours):
            each["choices"][0]["logprobs"]["top_logprobs"] = []
    assert shape(ours) == shape(theirs)


@pytest.mark.parametrize("name", ["completion-stream", "chat-stream"])
def test_a_stream_has_the_shape_of_the_real_one(server: Server, recorded: Path, name: str) -> None:
    path, body = ASKED[name]
    answer = server.ask(path, body)
    theirs = chunks((recorded / f"{name}.body").read_bytes())
    ours = chunks(answer.body)
    assert shape(ours) == shape(theirs)
    assert len(ours) == len(theirs)
    assert answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_is_that_of_the_real_one_word_for_word(server: Server, recorded: Path, name: str) -> None:
    path, body = REFUSED[name]
    answer = server.ask(path, body)
    assert answer.status == status(recorded, name)
    assert answer.document == json.loads((recorded / f"{name}.body").read_bytes())


FAMILY = re.compile(r"# TYPE (vllm:\S+) (\S+)")
SERIES = re.compile(r"(vllm:[a-z_]+)\{(.*)\} ")


def families(text: str) -> dict[str, str]:
    return {name: kind for name, kind in FAMILY.findall(text) if not name.endswith("_created")}


def labels(text: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, stated in SERIES.findall(text):
        found.setdefault(name, set()).update(re.findall(r'([a-z_]+)="', stated))
    return found


def test_metrics_have_the_names_types_labels_and_buckets_of_the_real_ones(server: Server, recorded: Path) -> None:
    theirs, ours = (recorded / "metrics-after.txt").read_text(), server.ask("/metrics").body.decode()
    known, made = families(theirs), families(ours)
    left_out = {name for name in known if name.removesuffix("_total") in NOT_SIMULATED}
    assert made == {name: kind for name, kind in known.items() if name not in left_out}
    wanted = labels(theirs)
    for name, stated in labels(ours).items():
        if name != "vllm:cache_config_info":
            assert stated == wanted[name], name
    edges = re.compile(r'(vllm:\S+)_bucket\{.*le="([^"]+)"')
    assert set(edges.findall(ours)) == set(edges.findall(theirs))


def test_prefix_hits_are_counted_as_the_real_one_counts_them() -> None:
    """Recorded: two requests of 261 tokens, blocks of 32: 522 queries, 256 hits (the last token is always computed)."""
    with engine(
        *["serve", "m", "--block-size", "32", "--num-gpu-blocks-override", "96", "--max-model-len", "2048"]
    ) as server:
        for _ in range(2):
            server.ask(COMPLETIONS, {"prompt": list(range(1, 262)), "max_tokens": 8})
        assert server.metric("vllm:prefix_cache_queries_total") == 522
        assert server.metric("vllm:prefix_cache_hits_total") == 256
        assert server.metric("vllm:prompt_tokens_by_source_total", source="local_cache_hit") == 256
        assert server.metric("vllm:prompt_tokens_by_source_total", source="local_compute") == 266
        assert server.metric("vllm:request_success_total", finished_reason="length") == 2


def test_a_recording_of_the_simulated_one_has_all_that_one_of_the_real_has(recorded: Path, tmp_path: Path) -> None:
    events = free_port()
    config = {
        "enable_kv_cache_events": True, "publisher": "zmq", "topic": "kv@p@tiny", "endpoint": f"tcp://127.0.0.1:{events}",
    }  # fmt: skip
    socket = listening(events)
    with engine("serve", "./tiny", *SERVED, "--kv-events-config", json.dumps(config)) as server:
        record(server.port, socket, tmp_path)
    socket.close(0)
    missing = {path.name for path in recorded.iterdir()} - {path.name for path in tmp_path.iterdir()}
    assert {name for name in missing if not name.startswith("signals-")} <= {"README.md"}
    theirs, ours = (json.loads((folder / "kv-events.json").read_text()) for folder in (recorded, tmp_path))
    real, made = (
        {event["type"]: list(event) for frame in told for event in frame["frames"][2][1]} for told in (theirs, ours)
    )
    assert real == {kind: made[kind] for kind in real}
    assert len(ours[0]["frames"][2]) == len(theirs[0]["frames"][2])


def test_a_wrong_flag_ends_it_as_it_ends_the_real_one() -> None:
    wrong = pytest.raises(AssertionError, match="unrecognized arguments: --max-modell-len")
    with wrong, engine("serve", "m", "--max-modell-len", "4"):
        pass


README = Path(__file__).resolve().parents[2] / "llmdctl" / "sandbox" / "engine" / "README.md"


def test_every_metric_that_only_the_real_one_has_is_listed(server: Server, recorded: Path) -> None:
    kind = re.compile(r"# TYPE (\S+) ")
    theirs, ours = (recorded / "metrics-after.txt").read_text(), server.ask("/metrics").body.decode()
    missing = set(kind.findall(theirs)) - set(kind.findall(ours))
    listed = README.read_text()
    families = {name if name.startswith("vllm:") else f"{name.partition('_')[0]}_*" for name in missing}
    families = {name.removesuffix("_total") for name in families if not name.endswith("_created")}
    assert {name for name in families if f"`{name}`" not in listed} == set()
