"""The wheel and the sdist hold everything: installed elsewhere, llmdctl renders the same as from the checkout."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RENDER = ["render", "pd-disaggregation", "--accelerator", "h100", "--gateway", "istio"]

pytestmark = pytest.mark.programs


def asset_files() -> set[str]:
    """What git knows below the asset folders, links to folders followed to their files."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "charts", "paths", "schemas", "tools"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    return {name for name in listed if (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_wheel_holds_every_asset(dist: Path) -> None:
    names = set(zipfile.ZipFile(next(dist.glob("*.whl"))).namelist())
    assert asset_files() - {name.removeprefix("llmdctl/_assets/") for name in names} == set()
    assert "llmdctl/_assets/charts/llmd/charts/scheduler/charts/llmd-library/Chart.yaml" in names
    assert "llmdctl/py.typed" in names


def test_sdist_holds_every_asset(dist: Path) -> None:
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert asset_files() - names == set()


def test_installed_elsewhere_it_renders_the_same(dist: Path, tmp_path: Path) -> None:
    place = tmp_path / "venv"
    venv.create(place)  # the pip of this environment installs into it
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = place / "lib" / version / "site-packages"
    # The dependencies of this environment, without its own llmdctl: no index is asked.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    wheel = str(next(dist.glob("*.whl")))
    python = str(place / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", wheel], check=True, capture_output=True)
    elsewhere = render([str(place / "bin" / "llmdctl")], tmp_path)
    here = render([sys.executable, "-m", "llmdctl"], ROOT)
    assert elsewhere == here
    assert "kind: HTTPRoute" in elsewhere


def render(program: list[str], folder: Path) -> str:
    return subprocess.run([*program, *RENDER], cwd=folder, check=True, capture_output=True, text=True).stdout
