"""What is known of the engines' flags, by version."""

from __future__ import annotations

import pytest

from llmdctl.lint import snapshots


@pytest.mark.parametrize("name", ["vllm", "sglang"])
def test_the_history_agrees_with_the_recorded_parser(name: str) -> None:
    """Names read from the source of the snapshot's version are those that the parser itself was seen to have."""
    known = snapshots.engine(name)
    assert known is not None
    for flag in known.options:
        if flag not in ("-h", "--help"):
            assert known.presence(flag, known.version).there, flag


@pytest.mark.parametrize(
    ("flag", "version", "there"),
    [
        ("--tensor-parallel-size", (0, 23, 0), True),
        ("--num-scheduler-steps", (0, 8, 5), True),
        ("--num-scheduler-steps", (0, 23, 0), False),
        ("--shutdown-timeout", (0, 23, 0), True),
        ("--no-enable-prefix-caching", (0, 23, 0), True),
        ("--tensor-parallel-size", (0, 24, 1), True),  # both neighbours have it
        ("--no-such-flag", (0, 24, 1), False),  # neither has it
        ("--no-such-flag", (9, 0, 0), None),  # it may have come since
        ("--no-such-flag", (0, 1, 0), None),
        ("--no-such-flag", (), None),
        ("--tensor-parallel-size", (), True),
    ],
)
def test_presence(flag: str, version: tuple[int, ...], there: bool | None) -> None:
    known = snapshots.engine("vllm")
    assert known is not None
    assert known.presence(flag, version).there is there


def test_which_version_was_looked_at_is_said() -> None:
    known = snapshots.engine("vllm")
    assert known is not None
    assert known.presence("--port", (0, 23, 0)).judged_by == ""
    assert known.presence("--port", (0, 24, 0)).judged_by == "0.23.0"
    assert known.presence("--port", ()).judged_by == "0.33.0"


def test_spelling_is_that_of_the_parser() -> None:
    vllm, sglang = snapshots.engine("vllm"), snapshots.engine("sglang")
    assert vllm is not None
    assert sglang is not None
    assert vllm.spelled("--max_model_len") == "--max-model-len"
    assert vllm.spelled("--compilation-config.mode") == "--compilation-config"
    assert sglang.spelled("--page_size") == "--page_size"


def test_an_engine_without_data_is_none() -> None:
    assert snapshots.engine("trtllm") is None


@pytest.mark.parametrize(
    ("text", "number"), [("v0.5.13.post1", (0, 5, 13)), ("0.9", (0, 9, 0)), ("latest", ()), ("", ())]
)
def test_versions_are_numbers(text: str, number: tuple[int, ...]) -> None:
    assert snapshots.number(text) == number
