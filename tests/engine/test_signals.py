"""The signals that `llmdctl verify` reads tell on from off on a real vLLM 0.32.0, and the simulated one shows the same.

Every row of JUDGED is a proof over recordings of two servers that differ in one thing. What no recording can show, for
want of hardware or of a second pod, stands in UNRECORDED and in the engine's README.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmdctl.kube import Reply
from llmdctl.model.check import Outcome
from llmdctl.prometheus import Exposition, parse
from llmdctl.release.verify import CLAIMS, prompts, prove
from llmdctl.release.verify.names import (
    CACHED,
    COMPUTED,
    ENGINES,
    FETCHED,
    KV_BYTES,
    KV_FAILED,
    LOADED,
    PROMPT,
    STORED,
    first,
    split,
)
from llmdctl.release.verify.observed import COLD, END, START, EnginePod, Exchange, Observed
from llmdctl.release.verify.stack import Stack
from tests.engine.process import engine
from tests.engine.recording import MOMENTS, record_signals
from tests.engine.variants import ADAPTER, RECORDINGS, VARIANTS

HERE = Path(os.environ.get("LLMDCTL_VLLM_RECORDINGS") or RECORDINGS)
README = Path(__file__).resolve().parents[2] / "llmdctl" / "sandbox" / "engine" / "README.md"
SHIFTED = {"idle": ("start", "start", "start"), "connector": ("cold", "end", "end")}
"""Nobody asks; and what the first request of the prompt left in the files comes with those that follow."""
PASS, FAIL = Outcome.PASS, Outcome.FAIL
DEFAULT, UNCACHED, CONNECTED, SIZES = "default", "prefix-cache-off", "connector", "other-sizes"
IDLE = "idle"  # the default server when nobody asks: before, after and at the end alike
pytestmark = pytest.mark.allow_loopback


@pytest.fixture(scope="module", params=["real", "simulated"])
def recordings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder a variant: of the real vLLM as stored, and of the simulated one as it is."""
    if request.param == "real":
        yield HERE
        return
    folder = tmp_path_factory.mktemp("simulated")
    for name, variant in VARIANTS.items():
        if name != CONNECTED:  # a connector through files is an example, which nobody deploys: not simulated
            with engine("serve", "./tiny", *variant.words) as server:
                record_signals(server.port, variant.model, folder / name, settle_s=0.05)
    yield folder


def exposed(folder: Path, moment: str) -> Exposition:
    return parse((folder / f"signals-{moment}.txt").read_text())


def seen(recordings: Path, name: str, role: str) -> Observed:
    """One pod as verify would see it: rendered with the default arguments, and answering as recorded."""
    folder, rendered = recordings / (DEFAULT if name == IDLE else name), VARIANTS[DEFAULT].words
    moments = SHIFTED.get(name, MOMENTS)
    pod = EnginePod(
        name="pod", namespace="llm", role=role, ready=True, phase="Running", args=("./tiny", *rendered)
    )  # fmt: skip
    answer = Reply(status=200, body=(folder / "signals-answer.body").read_bytes())
    scrapes = {at: {"pod": exposed(folder, moment)} for at, moment in zip((START, COLD, END), moments, strict=True)}
    names = (prompts.COLD, *prompts.AGAIN)
    return Observed(
        release="r", namespace="llm", stack=Stack(objects=_objects(rendered, role), namespace="llm"), engines=(pod,),
        scrapes=scrapes, models={"pod": json.loads((folder / "signals-models.body").read_text())},
        exchanges={name: Exchange(name=name, reply=answer) for name in names},
    )  # fmt: skip


def _objects(rendered: tuple[str, ...], role: str) -> list[dict[str, Any]]:
    plugins = [{"type": "prefix-cache-scorer"}, {"type": "always-disagg-pd-decider"}]
    config = json.dumps({"kind": "EndpointPickerConfig", "plugins": plugins})
    epp = {
        "name": "epp",
        "image": "ghcr.io/llm-d/llm-d-inference-scheduler:v0.7.1",
        "args": ["--pool-name=r", "--config-text", config],
    }
    return [_deployment("epp", epp)] + [
        _deployment(name, {"name": "engine", "image": "docker.io/vllm/vllm-openai:v0.32.0",
                           "command": ["vllm", "serve"], "args": ["./tiny", *rendered]})
        for name in dict.fromkeys((role, "prefill", "decode"))
        if role != "aggregate" or name == role
    ]  # fmt: skip


def _deployment(name: str, container: dict[str, Any]) -> dict[str, Any]:
    labels = {"app": name, "llm-d.ai/role": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "llm"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }  # fmt: skip


JUDGED = [
    ("LV0401", DEFAULT, "aggregate", PASS),
    ("LV0401", UNCACHED, "aggregate", FAIL),
    ("LV0402", DEFAULT, "aggregate", PASS),
    ("LV0402", UNCACHED, "aggregate", FAIL),
    ("LV0501", DEFAULT, "prefill", PASS),
    ("LV0501", IDLE, "prefill", FAIL),
    ("LV0502", CONNECTED, "decode", PASS),
    ("LV0502", DEFAULT, "decode", FAIL),
    ("LV1201", DEFAULT, "aggregate", PASS),
    ("LV1201", SIZES, "aggregate", FAIL),
    ("LV1202", DEFAULT, "aggregate", PASS),
    ("LV1202", SIZES, "aggregate", FAIL),
    ("LV1203", DEFAULT, "aggregate", PASS),
]


@pytest.mark.parametrize(("code", "name", "role", "outcome"), JUDGED, ids=str)
def test_a_proof_tells_on_from_off(recordings: Path, code: str, name: str, role: str, outcome: Outcome) -> None:
    if not (recordings / name).is_dir() and name != IDLE:
        pytest.skip("a connector through files is not simulated")
    proof = prove(CLAIMS[code], seen(recordings, name, role))
    assert proof.outcome is outcome, proof


RISES = {PROMPT: DEFAULT, CACHED: DEFAULT, COMPUTED: DEFAULT, FETCHED: CONNECTED}
"""What is counted -> the server on which it rises."""
UNRECORDED = (KV_BYTES, KV_FAILED, STORED, LOADED)
"""NIXL and offloading refuse to run without an accelerator: only that nothing is there without them is recorded."""


def test_each_counter_rises_where_it_should_and_nowhere_else() -> None:
    assert {*RISES, *UNRECORDED} == set(ENGINES["vllm"])
    quiet = {(CACHED, UNCACHED), (CACHED, CONNECTED), *((FETCHED, name) for name in VARIANTS if name != CONNECTED)}
    for counted, names in ENGINES["vllm"].items():
        for variant in VARIANTS:
            before, after = (first(exposed(HERE / variant, moment), names) for moment in ("start", "end"))
            if counted in UNRECORDED:
                assert (before, after) == (None, None), (counted, variant)
                continue
            assert before is not None, (counted, variant)
            assert after is not None, (counted, variant)
            if (counted, variant) in quiet:
                assert after[1] == before[1], (counted, variant)
            elif RISES[counted] == variant:
                assert after[1] > before[1], (counted, variant)


def test_an_adapter_shows_where_one_was_asked_for() -> None:
    shown = [name for name in VARIANTS if first(exposed(HERE / name, "end"), ("vllm:lora_requests_info",))]
    assert shown == [ADAPTER]


def test_events_come_where_they_are_on() -> None:
    told = {name: json.loads((HERE / name / "signals-events.json").read_text()) for name in VARIANTS}
    assert [name for name, kinds in told.items() if kinds.get("BlockStored")] == [DEFAULT]


def test_what_no_recording_shows_is_listed() -> None:
    text = README.read_text()
    for counted in UNRECORDED:
        assert [name for name in ENGINES["vllm"][counted] if split(name)[0].removesuffix("_total") not in text] == []
