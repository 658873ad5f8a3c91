"""What programs of this machine need, as its own loader says."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from llmdctl.sandbox.images.libraries import libraries

pytestmark = pytest.mark.skipif(shutil.which("ldd") is None, reason="images are made on Linux only")

PYTHON = Path(sys.executable).resolve()


def test_the_loader_stands_where_programs_look_for_it(cache):
    paths = [item.path for item in libraries([Path("/bin/sh").resolve()])]
    (loader,) = [path for path in paths if Path(path).name.startswith("ld-")]
    assert Path("/", loader).exists()
    assert any(Path(path).name.startswith(("libc.so", "ld-musl")) for path in paths)


def test_all_libraries_stand_in_one_folder_besides_the_loader(cache):
    folders = {str(Path(i.path).parent) for i in libraries([PYTHON]) if not Path(i.path).name.startswith("ld-")}
    assert len(folders) <= 1


def test_what_is_no_dynamic_program_needs_nothing(cache, tmp_path):
    (tmp_path / "text").write_text("no program")
    assert libraries([tmp_path / "text"]) == ()


def test_what_travels_with_its_package_is_left_out(cache):
    every = libraries([PYTHON])
    folders = tuple({Path("/", item.path).resolve().parent for item in every} | {Path("/lib"), Path("/usr/lib")})
    assert len(libraries([PYTHON], carried=folders)) < len(every)


def test_the_second_answer_is_kept(cache):
    assert libraries([PYTHON]) == libraries([PYTHON])
    assert len(list((cache / "entries").glob("libraries-*"))) == 1
