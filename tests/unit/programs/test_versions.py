from __future__ import annotations

import pytest

from llmdctl.programs.versions import fits, parse

HELM = ">=3.20 <4 || >=4.2 <5"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v3.22.0+g144ca65", "3.22.0"),
        ('version.BuildInfo{Version:"v4.3.1", GitCommit:""}', "4.3.1"),
        ("etcd Version: 3.6.16\nGit SHA: abc", "3.6.16"),
        ("Kubernetes v1.34.4", "1.34.4"),
        ("v4.3", "4.3.0"),
        ("kwok version v0.8.0 go1.26.8 (linux/amd64)", "0.8.0"),
    ],
)
def test_a_version_is_found_in_what_programs_say(text, version):
    assert str(parse(text)) == version


@pytest.mark.parametrize("text", ["", "flag provided but not defined: -version", "v4"])
def test_no_version_is_none(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    ("version", "good"),
    [
        ("v3.19.4", False),
        ("v3.20.0-rc.1", False),
        ("v3.20.0", True),
        ("v3.99.1", True),
        ("v4.0.0", False),
        ("v4.1.9", False),
        ("v4.2.0", True),
        ("v4.3.1", True),
        ("v5.0.0-rc.1", False),
        ("v5.0.0", False),
    ],
)
def test_the_range_of_helm(version, good):
    found = parse(version)
    assert found is not None
    assert fits(found, HELM) is good


def test_a_range_that_cannot_be_read_is_a_bug():
    found = parse("v1.2.3")
    assert found is not None
    with pytest.raises(ValueError, match="not a version bound"):
        fits(found, "~1.2")
