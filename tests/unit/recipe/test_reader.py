"""Reading YAML: what is refused, with which line, and that places are right."""

from __future__ import annotations

import time

import pytest

from llmdctl.errors import RecipeError
from llmdctl.recipe.reader import MAX_BYTES, MAX_DEPTH, parse, read

BOMB = b"a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (level, level, b", ".join([b"*a%d" % (level - 1)] * 9)) for level in range(1, 10)
)


def refusal(data: bytes) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        parse(data, "f.yaml")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a: 1\nb: 2\na: 3\n", ["f.yaml:3: a: the key 'a' stands here and already in line 1."]),
        (b"a: {b: 1,\n  b: 2}\n", ["f.yaml:2: a.b: the key 'b' stands here and already in line 1."]),
        (b"yes: 1\ntrue: 2\n", ["f.yaml:2: true: the key 'true' stands here and already in line 1."]),
        (b"1: a\n'1': b\n", ["f.yaml:2: 1: the key '1' stands here and already in line 1."]),
        (b"- a\n- b\n", ["f.yaml:1: the file holds a list, not a mapping of keys to values."]),
        (b"just text\n", ["f.yaml:1: the file holds text, not a mapping of keys to values."]),
        (b"12\n", ["f.yaml:1: the file holds a single value, not a mapping of keys to values."]),
        (b"a: 1\n---\nb: 2\n", ["f.yaml:3: the file holds a second document."]),
        (b"---\n---\nb: 2\n", ["f.yaml:3: the file holds a second document."]),  # helm 3 would see nothing
        (b"a: 1\nb: \xef\xbb\xbf2\n", ["f.yaml:2: a byte order mark stands inside the file"]),
        (b"a: [1, 2\n", ["f.yaml:2: this is no valid YAML: did not find expected ',' or ']'"]),
        (b"a: [http://x?y=1]\n", ["f.yaml:1: 'http://x?y=1' must be in quotes: it holds a '?' inside [] or {}."]),
        (b"a:\n\t- b\n", ["f.yaml:2: this is no valid YAML: found character that cannot start any token"]),
        (b"a: *nobody\n", ["f.yaml:1: no anchor is called '&nobody'."]),
        (b"a: &a [*a]\n", ["f.yaml:1: a[0]: an anchor holds an alias of itself."]),
        (b"a: .inf\n", ["f.yaml:1: a: .inf is no number in JSON, so Helm refuses it."]),
        (b"a: .nan\n", ["f.yaml:1: a: .nan is no number in JSON, so Helm refuses it."]),
        (b"a: !!int x\n", ["f.yaml:1: a: 'x' is no int."]),
        (b"a: !!binary '!'\n", ["f.yaml:1: a: !!binary holds no text in base64."]),
        (b"~: 1\n", ["f.yaml:1: a key cannot be null."]),
        (b"1.30: a\n", ["f.yaml:1: a key cannot be the number 1.3: put it in quotes."]),
        (b"[a]: b\n", ["f.yaml:1: a key cannot be a list or a mapping."]),
        (b"a:\n  <<: 3\n", ["f.yaml:2: a: '<<' wants a mapping, or a list of mappings."]),
        (b"\x89PNG\r\n\x1a\n", ["f.yaml: the file is binary, or holds characters that YAML does not allow."]),
        (b"a: '\x07'\n", ["f.yaml: the file is binary, or holds characters that YAML does not allow."]),
        (b"a: \xff\n", ["f.yaml: the file is binary, or holds characters that YAML does not allow."]),
        (BOMB, ["f.yaml:1: the file holds more than 200,000 values once its aliases are filled in."]),
        (b"[" * 100_000, [f"f.yaml:1: values nest deeper than {MAX_DEPTH} levels."]),
        (b"a: {" * 65, [f"f.yaml:1: values nest deeper than {MAX_DEPTH} levels."]),
    ],
)
def test_refused_with_its_place(data: bytes, expected: list[str]) -> None:
    found = refusal(data)
    assert len(found) == len(expected)
    for text, beginning in zip(found, expected, strict=True):
        assert text.startswith(beginning)


def test_every_mistake_of_a_file_is_shown() -> None:
    assert len(refusal(b"a: 1\na: 2\nb: .inf\n1.5: x\n")) == 3


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    start = time.process_time()
    refusal(BOMB)
    assert time.process_time() - start < 5  # 9 ** 10 values would take hours


def test_a_file_of_50_mb_is_refused_without_being_read(tmp_path) -> None:
    file = tmp_path / "huge.yaml"
    with file.open("wb") as out:
        out.truncate(50 * 2**20)  # sparse: reading it would still take memory
    with pytest.raises(RecipeError) as caught:
        read(file)
    assert str(caught.value.problems[0]) == f"{file}: the file is larger than 4 MiB: it cannot be a values file."


def test_size_limit_is_exact(tmp_path) -> None:
    file = tmp_path / "values.yaml"
    file.write_bytes(b"a: 1 #" + b"x" * (MAX_BYTES - 6))
    assert read(file).value == {"a": 1}
    file.write_bytes(b"a: 1 #" + b"x" * (MAX_BYTES - 5))
    with pytest.raises(RecipeError):
        read(file)


@pytest.mark.parametrize("content", [b"\0\0\0\0", b"a: 1\n\0"])
def test_zero_bytes_are_binary(tmp_path, content: bytes) -> None:
    file = tmp_path / "values.yaml"
    file.write_bytes(content)
    with pytest.raises(RecipeError) as caught:
        read(file)
    assert "the file is binary, not YAML." in str(caught.value.problems[0])


def test_a_file_that_is_not_there(tmp_path) -> None:
    with pytest.raises(RecipeError) as caught:
        read(tmp_path / "nothing.yaml")
    assert "the file cannot be read: No such file or directory." in str(caught.value.problems[0])


def test_a_folder_is_no_file(tmp_path) -> None:
    with pytest.raises(RecipeError) as caught:
        read(tmp_path)
    assert "the file cannot be read: Is a directory." in str(caught.value.problems[0])


@pytest.mark.parametrize("data", [b"", b"# nothing\n", b"---\n", b"null\n", b"~", b"---\n...\n"])
def test_nothing_is_an_empty_mapping(data: bytes) -> None:
    assert parse(data, "f").value == {}


@pytest.mark.parametrize("data", [b"a: 1\n---\n", b"a: 1\n---\n# end\n", b"a: 1\n...\n", b"--- \na: 1\n"])
def test_empty_documents_do_not_count(data: bytes) -> None:
    assert parse(data, "f").value == {"a": 1}


def test_utf_16_is_read_as_helm_does() -> None:
    assert parse("a: ü".encode("utf-16"), "f").value == {"a": "ü"}


PLACES = b"""\
a:
  b: 1
  "c.d":
    - x
    - y: 2
e: {f: 3,
    g: 4}
h: &anchor
  i: 5
j: *anchor
"""


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        (("a",), 1, 1),
        (("a", "b"), 2, 3),
        (("a", "c.d"), 3, 3),
        (("a", "c.d", 0), 4, 7),
        (("a", "c.d", 1, "y"), 5, 7),
        (("e", "f"), 6, 5),
        (("e", "g"), 7, 5),
        (("j",), 10, 1),
        (("j", "i"), 9, 3),  # where it is written
        (("a", "nothing", "below"), 1, 1),  # the nearest thing that exists
    ],
)
def test_places(path: tuple[str | int, ...], line: int, column: int) -> None:
    mark = parse(PLACES, "f").mark.at(path)
    assert (mark.line, mark.column) == (line, column)


def test_aliases_share_nothing() -> None:
    value = parse(b"a: &x {b: [1]}\nc: *x\n", "f").value
    value["a"]["b"].append(2)
    assert value["c"] == {"b": [1]}
