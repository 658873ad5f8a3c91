"""Which programs the images take from the catalogue."""

from __future__ import annotations

import pytest

from llmdctl.programs import CATALOG
from llmdctl.sandbox import images
from llmdctl.sandbox.components import PROGRAMS
from llmdctl.sandbox.node import parts

VARIABLES = ("LLMDCTL_EPP", "LLMDCTL_EPP07", "LLMDCTL_SIDECAR")


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_every_program_of_an_image_is_named_once_and_pinned():
    names = images.pinned_programs()
    assert len(set(names)) == len(names)
    assert {"pause", "coredns", "epp07", "sidecar07"} <= set(names) <= set(CATALOG)


@pytest.mark.parametrize(
    ("variable", "name"), [("LLMDCTL_EPP", "epp07"), ("LLMDCTL_EPP07", "epp07"), ("LLMDCTL_SIDECAR", "sidecar07")]
)
def test_one_that_is_given_by_path_need_not_be_made(monkeypatch, variable, name):
    every = images.pinned_programs()
    monkeypatch.setenv(variable, "/given")
    assert images.pinned_programs() == tuple(other for other in every if other != name)


def test_a_real_node_needs_these_beside_the_control_plane():
    assert {"kubelet", "kube-proxy", *images.pinned_programs()} == set(parts.pinned_programs())
    assert not set(PROGRAMS) & set(parts.pinned_programs())
