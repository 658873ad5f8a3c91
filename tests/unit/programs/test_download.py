from __future__ import annotations

import hashlib
import io
import tarfile

import pytest

from llmdctl.programs.download import Download, FetchFailed, unpack


def archive(tmp_path, members):
    path = tmp_path / "archive.tar.gz"
    with tarfile.open(path, "w:gz") as content:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            content.addfile(info, io.BytesIO(data))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_programs_are_taken_out_and_can_be_run(tmp_path):
    path, digest = archive(tmp_path, {"a/one": b"1", "a/two": b"2", "a/other": b"3"})
    out = tmp_path / "out"
    out.mkdir()
    unpack(Download(url="u", digest=f"sha256:{digest}", members={"one": "a/one", "two": "a/two"}), path, out)
    assert {file.name: file.read_bytes() for file in out.iterdir()} == {"one": b"1", "two": b"2"}
    assert (out / "one").stat().st_mode & 0o111


def test_a_wrong_checksum_is_refused_before_anything_is_unpacked(tmp_path):
    path, _ = archive(tmp_path, {"a/one": b"1"})
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(FetchFailed, match="pinned is 00"):
        unpack(Download(url="u", digest="sha256:00", members={"one": "a/one"}), path, out)
    assert list(out.iterdir()) == []


def test_a_missing_member_is_said_so(tmp_path):
    path, digest = archive(tmp_path, {"a/one": b"1"})
    with pytest.raises(FetchFailed, match="cannot be unpacked"):
        unpack(Download(url="u", digest=f"sha256:{digest}", members={"x": "a/absent"}), path, tmp_path)
