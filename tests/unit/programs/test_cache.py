from __future__ import annotations

import dataclasses

import pytest

from llmdctl.errors import ProgramError
from llmdctl.programs.cache import Entry, content_key
from llmdctl.programs.catalog import pinned
from llmdctl.programs.golang import Toolchain, entry_for

GO = Toolchain(version="go1.26.8", os="linux", arch="amd64")


@pytest.fixture
def family(tmp_path):
    folder = tmp_path / "family"
    folder.mkdir()
    for name in ("go.mod", "go.sum", "tools.go"):
        (folder / name).write_text(name)
    return folder


def test_equal_inputs_give_one_key(family, cache):
    assert entry_for(pinned("helm4"), family, GO) == entry_for(pinned("helm4"), family, GO)


@pytest.mark.parametrize("file", ["go.mod", "go.sum", "tools.go"])
def test_every_module_file_is_in_the_key(family, cache, file):
    before = entry_for(pinned("helm4"), family, GO).key
    (family / file).write_text("changed")
    assert entry_for(pinned("helm4"), family, GO).key != before


@pytest.mark.parametrize("field", ["version", "os", "arch"])
def test_the_toolchain_is_in_the_key(family, cache, field):
    other = dataclasses.replace(GO, **{field: "other"})
    assert entry_for(pinned("helm4"), family, other).key != entry_for(pinned("helm4"), family, GO).key


@pytest.mark.parametrize("change", [{"package": "x/cmd/other"}, {"stamps": (("a.b", "c"),)}])
def test_package_and_link_flags_are_in_the_key(family, cache, change):
    other = dataclasses.replace(pinned("helm4"), **change)
    assert entry_for(other, family, GO).key != entry_for(pinned("helm4"), family, GO).key


def test_helm_and_helm4_are_one_entry(family, cache):
    assert entry_for(pinned("helm"), family, GO) == entry_for(pinned("helm4"), family, GO)


def test_parts_do_not_run_into_each_other():
    assert content_key(["ab", "c"]) != content_key(["a", "bc"])


def test_what_fails_leaves_nothing(tmp_path):
    entry = Entry(root=tmp_path, label="x", key="k")

    def make(folder):
        (folder / "half").write_text("half")
        raise ProgramError("no")

    with pytest.raises(ProgramError, match="no"):
        entry.fill(make)
    assert not entry.filled
    assert list((tmp_path / "partial").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_said_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ProgramError, match="cannot be written") as caught:
        Entry(root=tmp_path / "file", label="x", key="k").fill(lambda folder: None)
    assert "LLMDCTL_CACHE" in str(caught.value.remedy)
