"""What an upgrade restarts: exactly the pods whose own input changed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.unit.charts.cases import BASIC, CHARTS, EVERYTHING, SPLIT, at, merged, pod_templates

EPP, ENGINE, NOBODY = {"pd-epp"}, {"pd-aggregate"}, set()

CHANGES = {
    "scorer weights": (at("scheduler.profiles", {"default": {"scorers": {"queue": {"weight": 5}}}}), EPP),
    "prefix index": (at("scheduler.prefixCache.blockSizeTokens", 128), EPP),
    "envoy timeout": (at("scheduler.proxy.streamIdleTimeoutSeconds", 600), EPP),
    "failure mode": (at("scheduler.failureMode", "FailClose"), EPP),
    "epp flag": (at("scheduler.flags.v", 4), EPP),
    "epp resources": (at("scheduler.resources.requests.cpu", "2"), EPP),
    "epp service": (at("scheduler.service.annotations", {"a": "b"}), NOBODY),
    "epp network policy": (at("scheduler.networkPolicy.clientsFrom", [{"podSelector": {}}]), NOBODY),
    "objectives": (at("scheduler.objectives", {"premium": {"priority": 1}}), NOBODY),
    "engine flag": (at("modelserver.roleDefaults.args", {"max-num-seqs": 64}), ENGINE),
    "engine replicas": (at("modelserver.roleDefaults.replicas", 3), NOBODY),
    "engine network policy": (at("modelserver.networkPolicy.extraIngress", [{"from": [{"podSelector": {}}]}]), NOBODY),
    "monitoring": (at("monitoring.enabled", True), NOBODY),
    "pull secrets": (at("global.imagePullSecrets", [{"name": "x"}]), EPP | ENGINE),
    "registry": (at("global.imageRegistry", "mirror.example.com"), EPP | ENGINE),
    "grpc port": (at("global.llmd.ports.extProc", 19002), EPP),
    "cluster rights": (at("global.llmd.namespaceOnly", True), EPP),
}


@pytest.mark.parametrize(("change", "restarted"), CHANGES.values(), ids=CHANGES)
def test_a_change_restarts_its_consumers_only(render, change, restarted) -> None:
    before, after = pod_templates(render(BASIC)), pod_templates(render(merged(BASIC, change)))
    assert {name for name in before if before[name] != after[name]} == restarted


@pytest.mark.parametrize("values", [BASIC, SPLIT, EVERYTHING])
def test_a_new_chart_version_restarts_nothing(render, values, tmp_path) -> None:
    bumped = _bumped(tmp_path)
    assert pod_templates(render(values)) == pod_templates(render(values, chart=bumped))
    labels = render(values, chart=bumped)[0]["metadata"]["labels"]
    assert labels["helm.sh/chart"].endswith("-9.9.9")


def _bumped(folder: Path) -> Path:
    """All charts with another version and application version."""
    charts = folder / "charts"
    shutil.copytree(CHARTS, charts, symlinks=True)
    for file in charts.glob("*/Chart.yaml"):
        text = file.read_text(encoding="utf-8")
        text = re.sub(r"(?m)^(\s*version:) .*$", r"\1 9.9.9", text)
        file.write_text(re.sub(r"(?m)^(appVersion:) .*$", r'\1 "8.8.8"', text), encoding="utf-8")
    return charts / "llmd"
