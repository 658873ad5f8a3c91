"""A release made by helm alone is the release that llmdctl would make: `diff` finds nothing, and either removes it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from llmdctl import assets, programs

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("spreads_over_h200")]

MINE = (
    "scheduler: {replicas: 2}\nmodelserver: {roles: {prefill: {replicas: 2, podAnnotations: {example.com/team: a}}}}\n"
)
SET = "modelserver.roles.decode.replicas=1"


@pytest.mark.parametrize("program", ["helm3", "helm4"])
def test_helm_alone_installs_the_same(program: str, plane, llmdctl, tmp_path: Path) -> None:
    namespace = plane.namespace("plain")
    mine = tmp_path / "mine.yaml"
    mine.write_text(MINE)
    values = assets.paths() / "pd-disaggregation" / "values.yaml"
    command = [str(programs.find(program).path), "install", "pd", str(assets.charts() / "llmd"), "-n", namespace]
    options = ["-f", str(values), "-f", str(mine), "--set", SET, "--kubeconfig", str(plane.kubeconfig), "--wait"]
    done = subprocess.run([*command, *options], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    asked = ("pd-disaggregation", "pd", "-n", namespace, "-f", str(mine), "--set", SET)
    assert llmdctl.run("diff", *asked).out == "pd: no difference.\n"
    assert llmdctl.run("status", "pd", "-n", namespace, "-o", "json").document()["readiness"] == "ready"
    llmdctl.run("uninstall", "pd", "-n", namespace, "--yes")
