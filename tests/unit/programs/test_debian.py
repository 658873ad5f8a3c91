"""What apt-get says is read as packages; a machine without apt is told so."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmdctl.errors import ProgramError
from llmdctl.programs import debian

SAID = "\n".join(
    (
        "Reading package lists...",
        "'http://archive.example/x/xdg-utils_1.1.3-4.1_all.deb' xdg-utils_1.1.3-4.1_all.deb 75496 MD5Sum:641eec1c",
        "'http://archive.example/c/chromium_156.0%7edeb12u1_amd64.deb' chromium_156.0~deb12u1_amd64.deb 81157036 ",
        "'http://archive.example/f/font_x.deb' font-x_2%3a1.0_amd64.deb 12 SHA256:00ff",
        "Err http://archive.example nothing",
    )
)


def test_names_and_versions_are_read_with_and_without_a_digest() -> None:
    assert [package.choice for package in debian.parse(SAID)] == [
        "xdg-utils=1.1.3-4.1",
        "chromium=156.0~deb12u1",
        "font-x=2:1.0",
    ]


def test_libraries_of_private_folders_are_found(tmp_path: Path) -> None:
    for file in ("usr/lib/x86_64-linux-gnu/liba.so.1", "usr/lib/x86_64-linux-gnu/pulseaudio/libp-16.1.so", "usr/bin/x"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    found = debian.Unpacked(root=tmp_path, version="1").library_path.split(":")
    triplet = tmp_path / "usr" / "lib" / "x86_64-linux-gnu"
    assert found == [str(triplet), str(triplet / "pulseaudio")]


def test_a_machine_without_apt_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramError, match="has no apt-get"):
        debian.unpack("chromium")
