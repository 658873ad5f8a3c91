"""A prepared store is laid out by links, except what containerd writes; images that nobody uses are forgotten."""

from __future__ import annotations

import os
import time
from pathlib import Path

from llmdctl.programs.cache import Entry
from llmdctl.sandbox.images.building import forget_others
from llmdctl.sandbox.images.store import lay


def test_blobs_are_linked_and_databases_copied(tmp_path):
    store = tmp_path / "store"
    (store / "content").mkdir(parents=True)
    (store / "content" / "blob").write_bytes(b"1")
    (store / "content" / "link").symlink_to("blob")
    (store / "meta.db").write_bytes(b"2")
    (store / "content").chmod(0o711)
    lay(store, tmp_path / "node")
    laid = tmp_path / "node"
    assert (laid / "content" / "blob").samefile(store / "content" / "blob")
    assert (laid / "content" / "link").readlink() == Path("blob")
    assert (laid / "content").stat().st_mode & 0o777 == 0o711
    (laid / "meta.db").write_bytes(b"3")
    assert (store / "meta.db").read_bytes() == b"2"


def test_what_nobody_used_for_an_hour_goes_and_other_images_stay(cache):
    def made(label: str, key: str, hours: float) -> Entry:
        entry = Entry(root=cache, label=label, key=key)
        entry.path.mkdir(parents=True)
        os.utime(entry.path, (time.time() - 3600 * hours,) * 2)
        return entry

    current, recent = made("image-epp", "a", 9), made("image-epp", "b", 0.5)
    old, other = made("image-epp", "c", 2), made("image-envoy", "d", 9)
    forget_others(current)
    assert [entry.filled for entry in (current, recent, old, other)] == [True, True, False, True]
    assert time.time() - current.path.stat().st_mtime < 60
