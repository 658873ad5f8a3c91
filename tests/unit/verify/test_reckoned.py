"""The KV cache that engines tell of, against the ledger of the facets that their release was made from."""

from __future__ import annotations

from typing import Any

import pytest

from llmdctl.memory import RoleLedger
from llmdctl.model.check import Outcome
from llmdctl.model.proof import Proof
from llmdctl.prometheus import parse
from llmdctl.release.verify import CLAIMS, prove
from llmdctl.release.verify.observed import START, EnginePod, Observed
from llmdctl.release.verify.reckoned import ledgers
from llmdctl.release.verify.stack import Stack

VLLM = ("vllm", "serve", "Qwen/Qwen3-32B", "--tensor-parallel-size=2", "--max-model-len=32768")
SGLANG = ("python3", "-m", "sglang.launch_server", "--model-path", "Qwen/Qwen3-32B", "--tp-size", "2", "--port", "1")


def stack(*words: str, accelerator: str = "h100") -> Stack:
    labels = {"app": "s", "llm-d.ai/role": "decode"}
    container = {"name": "engine", "image": "docker.io/vllm/vllm-openai:v0.32.0", "command": list(words)}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    deployment: dict[str, Any] = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "decode", "namespace": "llm"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }  # fmt: skip
    return Stack(objects=[deployment], namespace="llm", facets={"accelerator": accelerator} if accelerator else {})


def ledger(made: Stack) -> RoleLedger:
    found = ledgers(made)["decode"]
    assert not isinstance(found, str), found
    return found


def judged(made: Stack, exposed: str) -> Proof:
    pod = EnginePod(name="decode-0", namespace="llm", role="decode", ready=True, phase="Running")
    scrapes = {START: {"decode-0": parse(exposed)}}
    seen = Observed(
        release="r", namespace="llm", stack=made, engines=(pod,), scrapes=scrapes, ledgers=ledgers(made)
    )  # fmt: skip
    return prove(CLAIMS["LV1205"], seen)


def vllm(tokens: float) -> str:
    stated = f'block_size="16",num_gpu_blocks="1",kv_cache_size_tokens="{tokens:.0f}"'
    return f"vllm:cache_config_info{{{stated}}} 1\n"


@pytest.mark.parametrize(
    ("part", "outcome"),
    [(1.0, Outcome.PASS), (0.95, Outcome.PASS), (1.3, Outcome.WARN), (0.8, Outcome.WARN), (0.4, Outcome.FAIL)],
)
def test_how_far_off_is_too_far(part: float, outcome: Outcome):
    made = stack(*VLLM)
    proof = judged(made, vllm(ledger(made).kv_tokens * part))
    assert proof.outcome is outcome, proof
    assert len(proof.evidence) == 2
    assert outcome is Outcome.PASS or "were computed" in proof.message


def test_an_engine_that_tells_blocks_alone_is_read_as_well():
    made = stack(*SGLANG)
    pages = ledger(made).kv_tokens // 64
    assert judged(made, f"sglang:page_size 64\nsglang:num_pages {pages}\n").outcome is Outcome.PASS
    assert judged(made, "sglang:page_size 64\n").outcome is Outcome.UNKNOWN


def test_flags_of_the_command_line_count():
    small, large = (ledger(stack(*VLLM, flag)) for flag in ("--gpu-memory-utilization=0.7", "--kv-cache-dtype=fp8"))
    assert small.kv_tokens < ledger(stack(*VLLM)).kv_tokens < large.kv_tokens
    assert ledger(stack(*VLLM, "--max-num-seqs=64")).sequences == 64


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (stack(*VLLM, accelerator=""), "none of the catalogue"),
        (stack(*VLLM, accelerator="cpu"), "memory of its accelerator is not known"),
        (stack("vllm", "serve", "acme/own"), "sizes of acme/own are not known"),
        (stack(*VLLM, "--num-gpu-blocks-override=96"), "states the size"),
    ],
)
def test_where_nothing_was_computed_nothing_is_claimed(made: Stack, why: str):
    proof = judged(made, vllm(1))
    assert proof.outcome is Outcome.SKIP
    assert why in proof.message
