"""Which charts render the same with a cluster and without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llmdctl import assets
from llmdctl.helm import asks_more

TEMPLATES: list[tuple[str, bool]] = [
    ("name: {{ .Release.Name }}-{{ $.Release.Namespace }}", False),
    ("{{ if .Capabilities.APIVersions.Has `keda.sh/v1alpha1` }}a: 1{{ end }}", False),
    ("{{ (lookup `v1` `Secret` .Release.Namespace `x`).data }}", True),
    ("{{ if $.Release.IsUpgrade }}a: 1{{ end }}", True),
    ("revision: {{ .Release.Revision }}", True),
    ("{{ toYaml .Release }}", True),
    ("{{ .Capabilities.HelmVersion.Version }}", True),
]


@pytest.mark.parametrize(("template", "asks"), TEMPLATES)
def test_what_a_template_says_of_it(tmp_path: Path, template: str, asks: bool):
    folder = tmp_path / "charts" / "inner" / "templates"
    folder.mkdir(parents=True)
    (folder / "a.yaml").write_text(template)
    assert asks_more(tmp_path, {}) is asks


def test_a_linked_subchart_is_looked_into(tmp_path: Path):
    (tmp_path / "inner" / "templates").mkdir(parents=True)
    (tmp_path / "inner" / "templates" / "_a.tpl").write_text("{{ lookup `v1` `Pod` `` `` }}")
    outer = tmp_path / "outer"
    (outer / "charts").mkdir(parents=True)
    (outer / "charts" / "inner").symlink_to(tmp_path / "inner")
    assert asks_more(outer, {})


def test_what_cannot_be_looked_into_may_ask(tmp_path: Path):
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / "inner-1.0.0.tgz").write_bytes(b"")
    assert asks_more(tmp_path, {})


@pytest.mark.parametrize(("values", "asks"), [({"a": [{"b": "plain"}]}, False), ({"a": [{"b": "{{ lookup }}"}]}, True)])
def test_a_template_among_the_values_may_ask(tmp_path: Path, values: dict[str, Any], asks: bool):
    assert asks_more(tmp_path, values) is asks


def test_our_charts_ask_nothing():
    assert not asks_more(assets.charts() / "llmd", {})
