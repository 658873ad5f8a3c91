"""Probes on the real control plane: accepted as they are, run where the scheduler puts them, and gone afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from llmdctl.cli import main
from llmdctl.kube import connect
from llmdctl.preflight.probe_plan import LABEL

pytestmark = pytest.mark.e2e

WORDS = ("preflight", "pd-disaggregation", "probed", "--only", "interconnect", "--probe")


def left(plane: Any) -> list[str]:
    cluster = connect(kubeconfig=plane.kubeconfig)
    found = [*cluster.list_objects("v1", "Pod", labels={LABEL: "true"})]
    found += cluster.list_objects("batch/v1", "Job", labels={LABEL: "true"})
    return [item["metadata"]["name"] for item in found]


def test_what_is_shown_is_accepted_and_changes_nothing(plane: Any, capsys: pytest.CaptureFixture[str]) -> None:
    namespace = plane.namespace("probe")
    assert main([*WORDS, "--dry-run", "-n", namespace, "--kubeconfig", str(plane.kubeconfig)]) == 0
    jobs = list(yaml.safe_load_all(capsys.readouterr().out))
    assert [job["kind"] for job in jobs] == ["Job"]
    assert jobs[0]["metadata"]["namespace"] == namespace
    cluster = connect(kubeconfig=plane.kubeconfig)
    for job in jobs:
        cluster.apply(job, dry_run=True)
    assert left(plane) == []


def test_a_probe_runs_is_listed_before_and_is_gone_after(
    plane: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    namespace = plane.namespace("probe")
    report = tmp_path / "report.yaml"
    words = [*WORDS, "-o", "yaml", "--to", str(report), "-n", namespace, "--kubeconfig", str(plane.kubeconfig)]
    assert main(words) in (0, 3)
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Probe: ")]
    assert said[0].startswith("Probe: Job llmdctl-probe-")
    assert f" in {namespace} on h200-" in said[0]
    assert "no-output: a simulated node runs no container" in said[-1], "nothing ran: it is not known, not passed"
    sections = {row["name"]: row for row in yaml.safe_load(report.read_text())["sections"]}
    assert (sections["probes"]["seen"], sections["probes"]["items"]) == ("ok", 1)
    assert left(plane) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--dry-run",), "--dry-run is for --probe"), (("--probe", "--inventory", "x.yaml"), "--inventory asks none")],
)
def test_what_does_not_go_together(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preflight", "pd-disaggregation", *words]) == 2
    assert said in capsys.readouterr().err
