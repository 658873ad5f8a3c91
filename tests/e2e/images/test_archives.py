"""Whole images of this machine's programs: the same bytes from an empty cache, and not made twice."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from llmdctl.sandbox import images

pytestmark = pytest.mark.e2e


def digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def test_an_empty_cache_gives_the_same_engine(tmp_path, monkeypatch):
    (kept,) = images.archives("engine")
    monkeypatch.setenv("LLMDCTL_CACHE", str(tmp_path))
    (made,) = images.archives("engine")
    assert made != kept
    assert digest(made) == digest(kept)


def test_nothing_is_made_again_when_nothing_changed():
    made = [(file, file.stat().st_ino, file.stat().st_mtime_ns) for file in images.archives()]
    said: list[str] = []
    found = images.archives(report=said.append)
    assert said == []
    assert [(file, file.stat().st_ino, file.stat().st_mtime_ns) for file in found] == made


def test_the_engine_shares_its_python_with_no_second_copy():
    (archive,) = images.archives("engine")
    with tarfile.open(archive) as tar:
        (manifest,) = json.load(tar.extractfile("manifest.json"))
        places = []
        for name in manifest["Layers"]:
            with tarfile.open(fileobj=tar.extractfile(name)) as part:
                places += [member.name for member in part if member.isfile()]
    assert len(places) == len(set(places))
    assert {"bin/sh", "usr/local/bin/vllm", "opt/llmdctl/site/sglang/launch_server.py"} <= set(places)
    assert not any("/test/" in place or "tkinter" in place for place in places)


def test_an_export_has_every_archive_and_the_values(tmp_path):
    exported = images.exported(["pause", "sidecar"], to=tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["pause.tar", "sidecar.tar", "values.yaml"]
    assert [entry.archive.stat().st_size for entry in exported] == [entry.size_bytes for entry in exported]
    assert images.reference("sidecar").rpartition(":")[2] in (tmp_path / "out" / "values.yaml").read_text()
