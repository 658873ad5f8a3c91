"""Every `sh` block of every guide runs, in its order, in one folder that looks like a checkout."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmdctl import programs
from tests.e2e.guides import warm

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[3]
# Tables and reports; their own tests compare them with what they are made from.
GENERATED = {"faults", "matrix", "preflight-eks", "preflight-gke", "preflight-openshift", "scheduler-versions"}
# A guide that needs a cluster -> the guide in whose sandbox it is tried, before the last block takes that down.
INSIDE = {"preflight": "getting-started"}
GUIDES = sorted(file.stem for file in (ROOT / "guides").glob("*.md") if file.stem not in {*GENERATED, *INSIDE})
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def llmdctl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with warm.command(tmp_path_factory.mktemp("warm")) as program:
        yield program


@pytest.fixture
def checkout(tmp_path: Path, llmdctl: Path) -> Path:
    """What a guide's commands find: charts/ and paths/ of this checkout, llmdctl and helm on PATH."""
    for name in ("charts", "paths"):
        (tmp_path / name).symlink_to(ROOT / name)
    commands = tmp_path / ".bin"
    commands.mkdir()
    (commands / "helm").symlink_to(programs.find("helm").path)
    (commands / "llmdctl").symlink_to(llmdctl)
    return tmp_path


@pytest.mark.parametrize("guide", GUIDES)
def test_commands_run(guide: str, checkout: Path) -> None:
    environment = {
        **os.environ,
        "PATH": f"{checkout / '.bin'}:{os.environ['PATH']}",
        "LLMDCTL_STATE": str(checkout / "state"),
    }
    environment.pop("KUBECONFIG", None)
    script = "\n".join(["set -euxo pipefail", *blocks(guide)])
    done = subprocess.run(
        ["bash", "-c", script], cwd=checkout, env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    if guide == "helm-only":
        assert same_objects(checkout / "again.yaml", checkout / "out" / "manifests.yaml")


def blocks(guide: str) -> list[str]:
    """The commands of a guide, with those of the guides that are tried in its sandbox."""
    own = BLOCK.findall((ROOT / "guides" / f"{guide}.md").read_text())
    assert own, f"{guide}.md has no command block"
    inside = [block for other, place in INSIDE.items() if place == guide for block in blocks(other)]
    return [*own[:-1], *inside, own[-1]]


def same_objects(first: Path, second: Path) -> bool:
    from llmdctl.helm import parse_manifests

    return list(parse_manifests(first.read_text())) == list(parse_manifests(second.read_text()))
