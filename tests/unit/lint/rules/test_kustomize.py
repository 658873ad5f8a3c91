"""Kustomizations: paths that lead nowhere, patches that reach nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmdctl.lint.reading import read
from llmdctl.lint.rules import kustomize
from llmdctl.lint.world import World

HEAD = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: {kind}\n"


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("Kustomization", "resources: [there.yaml, ../base]\n", []),
        ("Kustomization", "resources: [lost.yaml]\n", ["LD1870"]),
        ("Kustomization", "resources: [there.yaml]\npatches: [{path: lost.yaml}]\n", ["LD1870"]),
        ("Kustomization", "resources: [there.yaml]\npatches: [{patch: '- op: remove'}]\n", []),
        ("Kustomization", "resources: [github.com/a/b/config?ref=v1, 'https://a/b.yaml']\n", []),
        ("Kustomization", "components: [../lost]\nresources: [there.yaml]\n", ["LD1870"]),
        ("Kustomization", "patches: [{patch: '- op: remove'}]\n", ["LD1871"]),
        ("Component", "patches: [{patch: '- op: remove'}]\n", []),
        ("Kustomization", "resources: 5\n", []),
    ],
)
def test_kustomization(tmp_path: Path, kind: str, text: str, expected: list[str]) -> None:
    (tmp_path / "base").mkdir()
    folder = tmp_path / "overlay"
    folder.mkdir()
    (folder / "there.yaml").touch()
    file = folder / "kustomization.yaml"
    file.write_text(HEAD.format(kind=kind) + text)
    world = World(read(file.read_text(), str(file)).manifests)
    assert [finding.code for finding in kustomize.check(world)] == expected


def test_without_a_file_nothing_is_looked_up() -> None:
    text = HEAD.format(kind="Kustomization") + "resources: [lost.yaml]\n"
    assert list(kustomize.check(World(read(text, "-").manifests))) == []
