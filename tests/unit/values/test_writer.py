"""YAML that Helm, and our own reader, read back as it was meant."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmdctl import programs
from llmdctl.recipe.reader import parse
from llmdctl.values import to_yaml

WORDS = (Path(__file__).parents[1] / "recipe" / "data" / "words.txt").read_text().split()

text = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20),
    st.text(alphabet="ab:#-? \n\t'\"|>%@`{}[],&*!=~\\", max_size=12),
    st.sampled_from(WORDS),
)
json_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**80), 2**80), st.floats(allow_nan=False, allow_infinity=False), text
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(text, inner, max_size=3)),
    max_leaves=10,
)
mappings = st.dictionaries(text, json_values, max_size=4)


def floats(value: Any) -> Any:
    """Numbers as Helm holds them."""
    if isinstance(value, dict):
        return {key: floats(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [floats(inner) for inner in value]
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def wide_as_floats(value: Any) -> Any:
    """Integers that no 64 bits hold are floats to every reader."""
    if isinstance(value, dict):
        return {key: wide_as_floats(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [wide_as_floats(inner) for inner in value]
    wide = isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**64
    return float(value) if wide else value


@settings(max_examples=300, deadline=None)
@given(mappings)
@example({word: word for word in WORDS})
@example(
    {"a": "one\ntwo\n", "b": "one\n\ntwo", "c": " one\ntwo", "d": "one\ntwo\n\n", "e": "a\n b \n", "f": "a\u2028b\nc"}
)
def test_our_reader_reads_it_back(values: dict[str, Any]) -> None:
    assert parse(to_yaml(values).encode(), "f").value == wide_as_floats(values)


@settings(max_examples=300, deadline=None)
@given(mappings)
@example({word: word for word in WORDS})
@example({"\ufeff\x7f\x85\u2028": "\ufeff\x00\x1f\x7f\x85\u2028\u2029\ufffe\uffff\U0001f600"})
def test_helm_reads_it_back(values: dict[str, Any]) -> None:
    helm = pytest.importorskip("helm_python")
    assert floats(helm.values_from_yaml(to_yaml(values))) == floats(values)


@pytest.mark.programs
@pytest.mark.parametrize("name", ["helm3", "helm4"])
def test_both_helm_programs_read_it_back(name: str, tmp_path: Path) -> None:
    values = {f"k{index}": word for index, word in enumerate(WORDS)}
    values |= {
        "text": "a: b\n# c\n",
        "big": 123456789012,
        "deep": {"list": [{"a": 1, "b": [None, {}]}, []]},
        "x y": "y",
    }
    (tmp_path / "chart" / "templates").mkdir(parents=True)
    (tmp_path / "chart" / "Chart.yaml").write_text("apiVersion: v2\nname: t\nversion: 1.0.0\n")
    (tmp_path / "chart" / "templates" / "v.yaml").write_text("v: {{ .Values | toJson | quote }}\n")
    (tmp_path / "values.yaml").write_text(to_yaml(values, comment="Two\nlines"))
    command = [
        str(programs.find(name).path),
        "template",
        "t",
        str(tmp_path / "chart"),
        "-f",
        str(tmp_path / "values.yaml"),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert floats(json.loads(parse(done.stdout.encode(), "rendered").value["v"])) == floats(values)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "plain"),
        ("with space", "with space"),
        ("nvidia.com/gpu", "nvidia.com/gpu"),
        ("vllm/vllm-openai:v0.23.0", "vllm/vllm-openai:v0.23.0"),
        ("https://example.com/a", "https://example.com/a"),
        ("y", '"y"'),
        ("NO", '"NO"'),
        ("1e3", '"1e3"'),
        ("0o17", '"0o17"'),
        ("12:30", '"12:30"'),
        ("2001-01-01", '"2001-01-01"'),
        ("~", '"~"'),
        ("", '""'),
        ("a: b", '"a: b"'),
        ("a #b", '"a #b"'),
        ("ends:", '"ends:"'),
        ("-x", '"-x"'),
        (" x", '" x"'),
        ("{{ x }}", '"{{ x }}"'),
        (1000000, "1000000"),
        (True, "true"),
        (None, "null"),
        (0.9, "0.9"),
        (2.0, "2.0"),
        (1e21, "1e+21"),
        ({}, "{}"),
        ([], "[]"),
    ],
)
def test_written(value: object, written: str) -> None:
    assert to_yaml({"a": value}) == f"a: {written}\n"


def test_layout() -> None:
    values = {"b": {"list": [{"x": 1, "z": [2]}, "z"], "text": "one\ntwo\n"}, "a": {}}
    assert to_yaml(values, comment="Made here.\n\nEnd") == (
        "# Made here.\n#\n# End\n"
        "b:\n  list:\n    - x: 1\n      z:\n        - 2\n    - z\n  text: |\n    one\n    two\na: {}\n"
    )


def test_nothing() -> None:
    assert to_yaml({}) == "{}\n"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", object(), b"x"])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"cannot be written|surrogates|no JSON value"):
        to_yaml({"a": value})
