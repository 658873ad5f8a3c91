"""Reading manifests as Helm reads them."""

from __future__ import annotations

import pytest

from llmdctl.errors import HelmError
from llmdctl.helm import parse_manifests

SCALARS = [
    ("12:30", "12:30"),
    ("2026-11-22", "2026-11-22"),
    ("=", "="),
    ("1e3", 1000.0),
    ("0o17", 15),
    ("017", 15),
    ("0x1F", 31),
    ("1_000", 1000),
    ("y", True),
    ("off", False),
    ("~", None),
    ("", None),
    ("1.0", 1.0),
    ("1Gi", "1Gi"),
    ("500m", "500m"),
    ("-3", -3),
    ("null", None),
    ("08", 8.0),
    ('"on"', "on"),
    (".5", 0.5),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_scalars_mean_what_helm_takes_them_for(text: str, value: object):
    (read,) = parse_manifests(f"value: {text}\n")
    assert read["value"] == value
    assert type(read["value"]) is type(value)


def test_documents_without_content_are_left_out_and_the_order_is_kept():
    text = "---\n# Source: a.yaml\nkind: A\n---\n# only a comment\n---\n\n---\nkind: B\n"
    assert [read["kind"] for read in parse_manifests(text)] == ["A", "B"]


@pytest.mark.parametrize("body", ["a: [", "- one\n", "just text"])
def test_what_is_no_object_is_refused_with_its_template(body: str):
    with pytest.raises(HelmError, match=r"small/templates/x\.yaml"):
        parse_manifests(f"---\n# Source: small/templates/x.yaml\n{body}\n")
