"""Every `sh` block of every guide runs, in its order, in one folder that looks like a checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from llmdctl import programs

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[3]
# Tables and reports; their own tests compare them with what they are made from.
GENERATED = {"faults", "matrix", "preflight-eks", "preflight-gke", "preflight-openshift", "scheduler-versions"}
GUIDES = sorted(file for file in (ROOT / "guides").glob("*.md") if file.stem not in GENERATED)
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a guide's commands find: charts/ and paths/ of this checkout, llmdctl and helm on PATH."""
    for name in ("charts", "paths"):
        (tmp_path / name).symlink_to(ROOT / name)
    commands = tmp_path / ".bin"
    commands.mkdir()
    (commands / "helm").symlink_to(programs.find("helm").path)
    (commands / "llmdctl").symlink_to(Path(sys.executable).parent / "llmdctl")
    return tmp_path


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_commands_run(guide: Path, checkout: Path) -> None:
    blocks = BLOCK.findall(guide.read_text())
    assert blocks, f"{guide.name} has no command block"
    environment = {
        **os.environ,
        "PATH": f"{checkout / '.bin'}:{os.environ['PATH']}",
        "LLMDCTL_STATE": str(checkout / "state"),
    }
    environment.pop("KUBECONFIG", None)
    script = "set -euxo pipefail\n" + "\n".join(blocks)
    done = subprocess.run(
        ["bash", "-c", script], cwd=checkout, env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    if guide.stem == "helm-only":
        assert same_objects(checkout / "again.yaml", checkout / "out" / "manifests.yaml")


def same_objects(first: Path, second: Path) -> bool:
    from llmdctl.helm import parse_manifests

    return list(parse_manifests(first.read_text())) == list(parse_manifests(second.read_text()))
