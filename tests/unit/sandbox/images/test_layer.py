"""Layers are the same bytes from the same content, whatever the machine adds to it."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from llmdctl.errors import ProgramError
from llmdctl.sandbox.images.items import File, Folder, Item, Link, program, text
from llmdctl.sandbox.images.layer import identity, layer, size_bytes, write

LONG = "a/" + "long/" * 30 + "name"


def written(*items: Item) -> tuple[bytes, str]:
    stream = io.BytesIO()
    digest = write(layer("x", items), stream)
    return stream.getvalue(), digest


def several(folder: Path, *, content: bytes = b"hello") -> list[Item]:
    source = folder / "source"
    source.write_bytes(content)
    return [program("usr/bin/tool", source), text("etc/passwd", "root"), Link(path="bin", target="usr/bin"),
            Folder(path="tmp", mode=0o1777), File(path=LONG, content=b"")]  # fmt: skip


def test_times_owners_and_order_do_not_matter(tmp_path):
    items = several(tmp_path)
    first = written(*items)
    os.utime(tmp_path / "source", (1, 1))
    (tmp_path / "source").chmod(0o600)
    assert written(*reversed(items)) == first


def test_the_digest_and_the_size_are_those_of_the_bytes(tmp_path):
    items = several(tmp_path)
    data, digest = written(*items)
    assert digest == hashlib.sha256(data).hexdigest()
    assert size_bytes(layer("x", items)) == len(data)
    assert len(data) % 512 == 0


def test_a_tar_reads_what_was_put_in(tmp_path):
    data, _ = written(*several(tmp_path))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = {member.name: member for member in tar}
        assert list(found) == sorted(found)
        assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in found.values()} == {(0, 0, "", "", 0)}
        assert tar.extractfile("usr/bin/tool").read() == b"hello"
        assert (found["usr/bin/tool"].mode, found["etc/passwd"].mode, found["tmp"].mode) == (0o755, 0o644, 0o1777)
        assert (found["bin"].issym(), found["bin"].linkname) == (True, "usr/bin")
        assert found["usr/bin"].isdir()
        assert LONG in found


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, (1 << 20) + 1])
def test_a_file_of_any_length_comes_out_whole(tmp_path, size):
    source = tmp_path / "file"
    source.write_bytes(b"\x07" * size)
    data, _ = written(File(path="file", content=source), text("later", "x"))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.extractfile("file").read() == b"\x07" * size
        assert tar.extractfile("later").read() == b"x\n"


def test_two_contents_for_one_path_are_refused():
    with pytest.raises(ProgramError, match="/etc/passwd"):
        layer("x", [text("etc/passwd", "a"), text("etc/passwd", "b")])


@pytest.mark.parametrize(
    "other",
    [
        [text("a", "1"), text("b", "3")],
        [text("a", "1"), text("c", "2")],
        [text("a", "1"), program("b", Path("/bin/sh"))],
        [text("a", "1"), Link(path="b", target="2")],
        [text("a", "1")],
        [text("a", "1"), text("b", "2"), Folder(path="d")],
        [text("a", "1"), File(path="b", content=b"2\n", mode=0o600)],
    ],
)
def test_any_difference_is_another_identity(other):
    mine = list(identity(layer("x", [text("a", "1"), text("b", "2")])))
    assert list(identity(layer("x", other))) != mine


def test_a_large_file_is_told_by_size_and_time(tmp_path):
    source = tmp_path / "large"
    source.write_bytes(bytes((4 << 20) + 1))
    os.utime(source, ns=(1, 1))
    before = list(identity(layer("x", [File(path="f", content=source)])))
    os.utime(source, ns=(1, 2))
    assert list(identity(layer("x", [File(path="f", content=source)]))) != before
