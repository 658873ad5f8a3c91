"""What a refusal means, by who says it and by the version of the router."""

from __future__ import annotations

import pytest

from llmdctl.model.hop import HopName
from llmdctl.release.doctor.statuses import DROPPED, explain

INFERENCE = "inference error: "


@pytest.mark.parametrize(
    ("status", "body", "headers", "version", "hop", "words"),
    [
        (
            429,
            INFERENCE + "ResourceExhausted - failed to find target endpoint: x",
            {},
            "0.7.1",
            "epp",
            "0.7 and 0.9 say 429",
        ),
        (429, INFERENCE + "ResourceExhausted - queue is full", {}, "0.10.0", "epp", "contended"),
        (429, "", {DROPPED: "rejected-saturated"}, "0.9.0", "epp", "saturated"),
        (503, "", {DROPPED.upper(): "rejected-no-endpoints"}, "0.10.0", "epp", "no endpoint"),
        (
            503,
            INFERENCE + "ServiceUnavailable - failed to find endpoint candidates for x",
            {},
            "0.9.0",
            "endpoint",
            "knows no",
        ),
        (503, INFERENCE + "ServiceUnavailable - request timed out in queue: x", {}, "0.7.1", "epp", "waited"),
        (
            500,
            INFERENCE + "Internal - no endpoints available for the given request",
            {},
            "0.9.0",
            "epp",
            "left no endpoint",
        ),
        (500, INFERENCE + "Internal - results must be greater than zero", {}, "0.9.0", "epp", "failed inside"),
        (400, INFERENCE + "BadRequest - model not found in request body", {}, "0.9.0", "request", "names no model"),
        (500, "", {}, "", "epp", "ext_proc"),
        (503, "no healthy upstream", {}, "", "endpoint", "UH"),
        (503, "upstream connect error or disconnect/reset before headers", {}, "", "sidecar", "UF"),
        (
            503,
            "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
            {},
            "",
            "engine",
            "UC",
        ),
        (504, "upstream request timeout", {}, "", "route", "UT"),
        (404, "", {}, "", "route", "NR"),
        (404, '{"object":"error","message":"The model `x` does not exist."}', {}, "", "model", "no server"),
        (418, "teapot", {}, "", "engine", "418"),
    ],
)
def test_a_refusal_is_put_into_words(
    status: int, body: str, headers: dict[str, str], version: str, hop: str, words: str
) -> None:
    meaning = explain(status, body, headers, version)
    assert meaning.hop is HopName(hop)
    assert words in meaning.words
    assert meaning.remedy
