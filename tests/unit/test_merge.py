"""Merging and `--set` compared with Helm itself."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmdctl import programs
from llmdctl.errors import UsageError
from llmdctl.merge import apply_set, leaves, merge, typed


@pytest.mark.parametrize(
    ("base", "over", "expected"),
    [
        ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
        ({"a": {"b": 1}}, {"a": 3}, {"a": 3}),
        ({"a": 3}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": {"b": 1}}, {"a": None}, {"a": None}),
        ({"a": {"b": 1}}, {"a": {"b": None}}, {"a": {"b": None}}),
        ({"a": None}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": {"b": 1}}, {"a": {}}, {"a": {"b": 1}}),
        ({}, {"a": 1}, {"a": 1}),
    ],
)
def test_merge(base, over, expected) -> None:
    assert merge(base, over) == expected


def test_merge_changes_neither_argument() -> None:
    base, over = {"a": {"b": {"c": 1}}}, {"a": {"b": {"d": 2}}}
    merge(base, over)["a"]["b"]["e"] = 3
    assert (base, over) == ({"a": {"b": {"c": 1}}}, {"a": {"b": {"d": 2}}})


def test_leaves() -> None:
    values = {"a": {"b": 1, "c": {}}, "d": [1], "e": None}
    assert dict(leaves(values)) == {("a", "b"): 1, ("a", "c"): {}, ("d",): [1], ("e",): None}


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("a.b=c", {"a": {"b": "c"}}),
        ("a=1,b=2", {"a": 1, "b": 2}),
        ("a[0].b=c", {"a": [{"b": "c"}]}),
        ("a[1]=c", {"a": [None, "c"]}),
        ("a={x,1,true}", {"a": ["x", 1, True]}),
        ("a={x,y},b=1", {"a": ["x", "y"], "b": 1}),
        (r"a\.b=c\,d", {"a.b": "c,d"}),
        ("a=null", {"a": None}),
        ("a=", {"a": ""}),
        ("a=TRUE", {"a": True}),
        ("a=007", {"a": "007"}),
        ("a=1e3", {"a": "1e3"}),
        ("a=0.5", {"a": "0.5"}),
        ("a=-7", {"a": -7}),
        ("a=9223372036854775808", {"a": "9223372036854775808"}),
        ("a=b=c", {"a": "b=c"}),
        ("a[0][1]=x", {"a": [[None, "x"]]}),
    ],
)
def test_set(argument: str, expected: dict[str, Any]) -> None:
    assert apply_set(argument, {}) == expected


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("a", "'a' has no value"),
        ("a,b=1", "'a' has no value"),
        ("=1", "a name is empty"),
        ("a.=1", "a name is empty"),
        ("a[x]=1", "'[x' is no index of a list"),
        ("a[-1]=1", "the index -1 is not between 0 and 65536"),
        ("a[65537]=1", "the index 65537 is not between 0 and 65536"),
        ("a[0]", "the item [0] has no value"),
        ("a[0]b=1", "'b' follows an index"),
        ("a={x", "a list must end with '}'"),
        ("scalar.b=1", "'scalar' is no mapping, so it can hold nothing"),
        ("none.b=1", "'none' is null, so it can hold nothing"),
        ("scalar[0]=1", "'scalar' is no list"),
        ("list[0][0]=1", "the item [0] is no list"),
        ("a[0].b=", "Helm drops an empty value at the end of a list item: set it in a values file"),
        (".".join("a" * 32) + "=1", "names nest deeper than 30 levels"),
    ],
)
def test_set_refused(argument: str, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        apply_set(argument, {"scalar": 1, "none": None, "list": ["x"]})
    assert caught.value.message == f"--set {argument!r} cannot be read: {reason}."
    assert caught.value.exit_code == 2
    assert caught.value.problems[0].file == "--set"


def test_set_changes_a_copy() -> None:
    values = {"a": {"b": [1]}}
    assert apply_set("a.b[0]=2", values) == {"a": {"b": [2]}}
    assert values == {"a": {"b": [1]}}


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("+5", 5), ("-0", 0), ("00", "00"), (" 1", " 1"), ("\uff11", "\uff11")]
)
def test_types(text: str, value: object) -> None:
    assert typed(text) == value
    assert type(typed(text)) is type(value)


pieces = st.sampled_from(
    [
        "a",
        "b",
        "c.d",
        ".",
        "=",
        "[",
        "]",
        "[0]",
        "[1]",
        "0",
        "1",
        ",",
        "{",
        "}",
        "\\",
        "true",
        "null",
        "007",
        "-7",
        "x y",
    ]
)


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.sampled_from(["", "a=", "a.b=", "a[0]=", "a[0].b=", "a.b[1]="]), st.lists(pieces, max_size=8))
def test_set_like_helm(head: str, tail: list[str]) -> None:
    helm = pytest.importorskip("helm_python")
    argument = head + "".join(tail)
    try:
        mine = apply_set(argument, {})
    except UsageError:
        return  # stricter where Helm drops a setting; the cases are listed above
    assert mine == helm.parse_set_string(argument)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "a.b", "a[0]", "b[1].c", "a.c"]), st.text("xy0,{}=.", max_size=4)))
)
def test_what_helm_takes_is_taken(settings_: list[tuple[str, str]]) -> None:
    """Ordinary settings, over each other: Helm and we agree on which fit together."""
    helm = pytest.importorskip("helm_python")
    argument = ",".join(f"{name}={value}" for name, value in settings_)
    try:
        theirs = helm.parse_set_string(argument)
    except helm.HelmError:
        with pytest.raises(UsageError):
            apply_set(argument, {})
        return
    try:
        assert apply_set(argument, {}) == theirs
    except UsageError as refused:
        stricter = ("is empty", "has no value", "drops an empty value", "is no index", "is no list")
        assert any(reason in refused.message for reason in stricter), refused


values = st.recursive(
    st.sampled_from([None, 0, 1, True, "", "x", [], [1, None], {}]),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
mappings = st.dictionaries(st.sampled_from("abcd"), values, max_size=4)

CHART = {
    "Chart.yaml": "apiVersion: v2\nname: t\nversion: 1.0.0\n",
    "templates/v.yaml": "v: {{ .Values | toJson | quote }}\n",
}


@pytest.fixture
def printed(tmp_path: Path):
    """`printed(program, options)`: the values that a chart without defaults sees."""
    for file, text in CHART.items():
        (tmp_path / "chart" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "chart" / file).write_text(text)

    def run(name: str, options: list[str]) -> Any:
        command = [str(programs.find(name).path), "template", "t", str(tmp_path / "chart"), *options]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        line = next(line for line in out.splitlines() if line.startswith("v: "))
        return json.loads(json.loads(line[3:]))

    return run


def examples(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """Drawn by hypothesis, the same at each run."""
    found: list[Any] = []

    @settings(
        max_examples=count, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found


@pytest.mark.programs
@pytest.mark.parametrize("program", ["helm3", "helm4"])
def test_files_over_files_like_helm(program: str, printed, tmp_path: Path) -> None:
    """Many pairs in one run of Helm, each below a key of its own."""
    pairs = examples(st.tuples(mappings, mappings, mappings), 300)
    names = ("one", "two", "three")
    for index, name in enumerate(names):
        content = {f"p{number}": triple[index] for number, triple in enumerate(pairs)}
        (tmp_path / name).write_text(json.dumps(content))
    theirs = printed(program, [part for name in names for part in ("-f", str(tmp_path / name))])
    mine = {f"p{number}": merge(merge(a, b), c) for number, (a, b, c) in enumerate(pairs)}
    assert mine == theirs


@pytest.mark.programs
@pytest.mark.parametrize("program", ["helm3", "helm4"])
def test_settings_over_a_file_like_helm(program: str, printed, tmp_path: Path) -> None:
    base = {"a": {"b": {"c": 1}}, "l": [{"x": 1}, None, "y"], "n": None}
    arguments = [
        "a.b.d=null",
        "a.b.c={}",
        "l[0].z=2",
        "l[1].new=true",
        "l[4]=end",
        "n={1,x}",
        "a.e.f[1][0]=q",
        r"a.k\.k=v\,w",
    ]
    (tmp_path / "base").write_text(json.dumps(base))
    theirs = printed(program, ["-f", str(tmp_path / "base"), *(part for text in arguments for part in ("--set", text))])
    mine: dict[str, Any] = base
    for argument in arguments:
        mine = apply_set(argument, mine)
    assert mine == theirs
