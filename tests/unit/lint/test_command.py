"""Which words a container starts its program with, and which of them are known."""

from __future__ import annotations

import pytest

from llmdctl.lint.command import started
from llmdctl.lint.shell import commands


def words(container: dict[str, object], env: dict[str, str | None] | None = None) -> list[list[str]]:
    return [[word.text for word in line.words] for line in started(container, env or {})]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("vllm serve m --a 1", [["vllm", "serve", "m", "--a", "1"]]),
        ("a \\\n  b \\\n  c", [["a", "b", "c"]]),
        ("a 'b c' \"d e\"", [["a", "b c", "d e"]]),
        ("a '{\"k\": 1}'", [["a", '{"k": 1}']]),
        ('a {"k":1}', [["a", "{k:1}"]]),
        ("# nothing\na # rest\nb", [["a"], ["b"]]),
        ("a && b || c; d & e", [["a"], ["b"], ["c"], ["d"], ["e"]]),
        ("a > /log 2>&1 b", [["a", "b"]]),
        ("X=1 a", [["X=1", "a"]]),
        ("a b#c", [["a", "b#c"]]),
        ('a "b\\"c"', [["a", 'b"c']]),
        ("", []),
    ],
)
def test_a_script_is_split_as_a_shell_does(script: str, expected: list[list[str]]) -> None:
    assert [[word.text for word in command] for command in commands(script, {})] == expected


@pytest.mark.parametrize(
    ("script", "many"),
    [("a $X", True), ('a "$X"', False), ('a "${X[@]}"', True), ("a --x=$(f b c)", True), ('a "--x=$((1+2))"', False)],
)
def test_what_only_the_shell_knows_is_opaque(script: str, many: bool) -> None:
    word = commands(script, {})[0][1]
    assert word.opaque
    assert word.many is many


def test_a_variable_whose_value_is_certain_is_filled_in() -> None:
    assert [word.text for word in commands('a "$M" ${M}', {"M": "model"})[0]] == ["a", "model", "model"]


def test_a_variable_that_the_script_sets_itself_is_not_that_of_the_container() -> None:
    container = {"command": ["sh", "-c"], "args": ['M=other; a "$M"']}
    line = started(container, {"M": "model"})[-1]
    assert line.words[1].opaque


@pytest.mark.parametrize("shell", [["sh", "-c"], ["/bin/bash", "-lc"], ["bash", "-e", "-c"], ["env", "bash", "-ec"]])
def test_the_script_of_a_shell_is_found(shell: list[str]) -> None:
    assert words({"command": shell, "args": ["a b"]}) == [["a", "b"]]


def test_what_a_script_is_given_takes_the_place_of_all_arguments() -> None:
    container = {"command": ["sh", "-c", 'exec "$@" --rank="$R"', "name"], "args": ["vllm", "serve", "m"]}
    line = started(container, {})[0]
    assert [word.text for word in line.words][:4] == ["exec", "vllm", "serve", "m"]
    assert line.words[1].place == ("args", 0)
    assert line.complete


def test_references_of_kubernetes_are_filled_in_or_opaque() -> None:
    line = started({"args": ["--a=$(X)", "--b=$(Y)", "--c=$$(Z)", "--d=${E}"]}, {"X": "1", "Y": None})[0]
    assert [(word.text, word.opaque) for word in line.words] == [
        ("--a=1", False),
        ("--b=", True),
        ("--c=$(Z)", False),
        ("--d=${E}", True),
    ]


def test_options_keep_their_values_and_negative_numbers_are_values() -> None:
    line = started({"args": ["m", "--a", "1", "--b=2", "--c", "-d", "--seed", "-1", "--names", "x", "y"]}, {})[0]
    found = [(option.name, option.value, [word.text for word in option.words]) for option in line.options()]
    assert found == [
        ("--a", "1", ["1"]),
        ("--b", "2", []),
        ("--c", None, []),
        ("-d", None, []),
        ("--seed", "-1", ["-1"]),
        ("--names", "x", ["x", "y"]),
    ]


def test_the_last_one_holds_and_dashes_are_underscores() -> None:
    line = started({"args": ["--max_len=1", "--max-len", "2"]}, {})[0]
    assert line.integer("--max-len") == 2
    assert line.value("--other") is None
