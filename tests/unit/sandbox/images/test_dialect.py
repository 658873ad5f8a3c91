"""The dialect of an endpoint picker, told from the flags that it prints."""

from __future__ import annotations

import pytest

from llmdctl.errors import ProgramError
from llmdctl.sandbox.images import dialect, dialect_of, reference

FLAGS = {
    "0.7": "--pool-name string",
    "0.9": "--pool-name string --grpc-max-recv-msg-size string",
    "0.10": "--pool-name string --grpc-max-recv-msg-size string --allow-experimental-plugins",
}


@pytest.mark.parametrize("version", FLAGS)
def test_flags_tell_the_version(picker, version):
    assert dialect_of(picker(FLAGS[version])) == version


def test_another_program_is_not_taken_for_one(picker):
    with pytest.raises(ProgramError, match="--pool-name"):
        dialect_of(picker("--verbose"))


def test_what_does_not_start_is_said(tmp_path):
    with pytest.raises(ProgramError, match="cannot be asked"):
        dialect_of(tmp_path / "none")


def test_a_picker_given_by_path_is_named_by_its_dialect_and_content(picker):
    picker(FLAGS["0.10"])
    first = reference("epp")
    assert dialect() == "0.10"
    assert first.startswith("sandbox.llmdctl.dev/epp:0.10-")
    picker(FLAGS["0.10"] + " ")
    assert reference("epp") != first


def test_the_pinned_one_is_named_by_its_version(monkeypatch):
    for name in ("LLMDCTL_EPP", "LLMDCTL_EPP07"):
        monkeypatch.delenv(name, raising=False)
    assert (dialect(), reference("epp")) == ("0.7", "sandbox.llmdctl.dev/epp:v0.7.1")


def test_a_path_that_is_none_is_an_error(monkeypatch):
    monkeypatch.setenv("LLMDCTL_EPP", "/no/such/program")
    with pytest.raises(ProgramError, match="/no/such/program"):
        reference("epp")
