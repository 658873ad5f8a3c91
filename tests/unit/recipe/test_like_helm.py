"""Reading compared with Helm itself: the embedded Helm in bulk, both helm programs on a sample."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from llmdctl import programs
from llmdctl.errors import RecipeError
from llmdctl.recipe.reader import parse
from llmdctl.scalars import resolve

helm = pytest.importorskip("helm_python")

WORDS = (Path(__file__).parent / "data" / "words.txt").read_text().split()
"""Plain scalars that some YAML reader takes for something else."""


def oracle(text: str) -> dict[str, Any] | None:
    """What Helm reads, integers as the floats that they are in Helm; None when it refuses."""
    try:
        return floats(helm.values_from_yaml(text))
    except helm.HelmError:
        return None


def ours(text: str) -> dict[str, Any] | None:
    try:
        return floats(parse(text.encode(), "f").value)
    except RecipeError:
        return None


def floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: floats(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [floats(inner) for inner in value]
    if isinstance(value, str | bool) or value is None:
        return value
    return float(value)


@pytest.mark.parametrize("word", WORDS)
def test_plain_words(word: str) -> None:
    for text in (f"a: {word}", f"a: [{word}]", f"a:\n  - {word}\n"):
        assert ours(text) == oracle(text), text


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("tag", ["!!str", "!!int", "!!float", "!!bool", "!!null", "!!timestamp", "!own", "!"])
def test_tagged_words(word: str, tag: str) -> None:
    for text in (f"a: {tag} {word}", f"a: {tag} '{word.strip(chr(39))}'"):
        mine = ours(text)
        assert mine is None or mine == oracle(text), text


@pytest.mark.parametrize("word", WORDS)
def test_words_as_keys(word: str) -> None:
    text = f"{word}: a"
    mine = ours(text)
    if mine is None:  # stricter on purpose: keys with a fraction
        assert oracle(text) is None or isinstance(resolve(word, None), float), text
    else:
        assert mine == oracle(text), text


characters = st.text(alphabet="0123456789_+-.eExXoObB:~yYnN aAfF", min_size=1, max_size=8)


@settings(max_examples=500, deadline=None)
@given(characters)
@example("0b_1")
def test_any_scalar_of_suspicious_characters(text: str) -> None:
    document = f"a: {text}"
    mine = ours(document)
    if mine is not None:
        assert mine == oracle(document)
    elif (theirs := oracle(document)) is not None:
        raise AssertionError(f"Helm reads {theirs}")


scalars = st.one_of(
    st.sampled_from([word for word in WORDS if word not in ("''", '""')]),
    st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12).map(json.dumps),
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)


def flow(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    keys = st.sampled_from(["a", "b", "c", "1", "'x y'", "yes", "&k d"])
    return st.one_of(
        st.lists(children, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"),
        st.dictionaries(keys, children, max_size=3).map(
            lambda items: "{" + ", ".join(f"{key}: {value}" for key, value in items.items()) + "}"
        ),
        children.map(lambda child: child if child[:1] in "&*!" else f"&z {child}"),
        st.sampled_from(["*z", "{<<: *z, a: 1}", "{a: 1, <<: *z}", "{<<: [*z, {a: 2}], b: 1}", "{<<: {a: 3}, a: 4}"]),
    )


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.lists(st.recursive(scalars, flow, max_leaves=6), min_size=1, max_size=4))
def test_any_document(values: list[str]) -> None:
    text = "".join(f"k{index}: {value}\n" for index, value in enumerate(values))
    mine = ours(text)
    if mine is not None:
        assert mine == oracle(text)


PIECES = [
    *[
        "a",
        "b:",
        " ",
        "  ",
        "\n",
        "\r\n",
        "\t",
        "- ",
        "|",
        "|-",
        "|+",
        ">",
        ">2",
        "|2-",
        "#c",
        "'",
        '"',
        "\\n",
        "&x",
        "*x",
    ],
    *["<<: ", "{", "}", "[", "]", ",", ", ", "? ", ": ", "!!str ", "é", "\u2028", "\x85", "1", "yes", "---\n", "...\n"],
    *["%YAML 1.1\n", "\ufeff", "k: v\n", "  n: 1\n", "\\x41", "\\u00e9", "''", "more text\n", "@", "`", "~"],
]


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
@example("---\n---\na: 1\n")
@example("a: b\n\ufeff")
@example("a: [a? ]")
@example("a: {b: [c], d: e?f}\ng: h?i")
def test_any_text(text: str) -> None:
    mine = ours(text)
    if mine is not None:
        assert mine == oracle(text)


CHART = {
    "Chart.yaml": "apiVersion: v2\nname: t\nversion: 1.0.0\n",
    "templates/v.yaml": "v: {{ .Values | toJson | quote }}\n",
}


@pytest.mark.programs
@pytest.mark.parametrize("name", ["helm3", "helm4"])
def test_both_helm_programs_read_the_same(name: str, tmp_path: Path) -> None:
    chart = tmp_path / "chart"
    for file, text in CHART.items():
        (chart / file).parent.mkdir(parents=True, exist_ok=True)
        (chart / file).write_text(text)
    accepted = [word for word in WORDS if ours(f"a: {word}") is not None]
    text = "".join(f"k{index}: {word}\n" for index, word in enumerate(accepted))
    text += "base: &base {a: 1, b: y}\nmerged: {a: 2, <<: *base, b: 0o17}\nyes: {on: 1}\n"
    (tmp_path / "values.yaml").write_text(text)
    program = programs.find(name).path
    done = subprocess.run(
        [str(program), "template", "t", str(chart), "-f", str(tmp_path / "values.yaml")],
        check=True,
        capture_output=True,
        text=True,
    )
    rendered = parse(done.stdout.encode(), "rendered").value["v"]
    assert floats(json.loads(rendered)) == ours(text)
