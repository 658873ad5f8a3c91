"""The text of /metrics, of a real vLLM and with lines that nobody could read."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmdctl.prometheus import parse

RECORDED = Path(__file__).resolve().parents[2] / "fixtures" / "vllm-0.32"


def test_a_recording_of_vllm_is_read():
    read = parse((RECORDED / "metrics-after.txt").read_text())
    assert read.bad_lines == ()
    assert read.total("vllm:prefix_cache_hits_total") == 256
    assert read.has("vllm:prefix_cache_hits")
    (info,) = read.of("vllm:cache_config_info", engine="0")
    assert (info.labels["block_size"], info.labels["num_gpu_blocks"]) == ("32", "96")


def test_a_bad_line_costs_only_itself():
    read = parse('a{x="1"} 1\nthis is{ bad\na{x="2"} 2\n# TYPE c gauge\nc nan\nd one\n')
    assert read.bad_lines == ("this is{ bad", "d one")
    assert (read.total("a"), read.total("a", x="2")) == (3, 2)
    assert str(read.total("c")) == "nan"


def test_lines_that_are_not_wanted_are_left_out_even_bad_ones():
    read = parse("# TYPE a counter\na 1\nthis is{ bad\nb 2\na{x='1'} bad\n", wanted=lambda line: line.startswith("b"))
    assert [(sample.name, sample.value) for sample in read.samples] == [("b", 2)]
    assert (read.types, read.bad_lines) == ({"b": "unknown"}, ())


@pytest.mark.parametrize("text", ["", "\n\n", "<html><body>404</body></html>", "\x00\x01"])
def test_what_is_no_exposition_has_no_sample(text: str):
    read = parse(text)
    assert read.samples == ()
    assert read.total("a") is None
