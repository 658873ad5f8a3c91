"""The catalogue and the files under tools/ say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llmdctl import assets
from llmdctl.errors import ProgramError
from llmdctl.programs.catalog import CATALOG, LANES, pinned
from llmdctl.programs.crds import CRD_MODULES, module_version
from llmdctl.programs.download import DOWNLOADS
from llmdctl.programs.golang import executable_in
from llmdctl.programs.versions import fits, parse


@pytest.mark.parametrize("program", CATALOG.values(), ids=lambda program: program.name)
def test_the_version_is_the_one_in_go_mod(program):
    text = (assets.tools() / program.family / "go.mod").read_text()
    imported = (assets.tools() / program.family / "tools.go").read_text()
    own = re.search(r"^module (\S+)$", text, re.MULTILINE)  # CoreDNS: a program of ours, with its plugins
    if own and own[1] == program.module:  # ours alone, without a module that could say a version
        assert f'const version = "{program.version}"' in imported
    else:
        line = rf"^(?:require)?\s*{re.escape(program.module)} v{re.escape(program.version)}$"
        assert re.search(line, text, re.MULTILINE)
    assert f'_ "{program.package}"' in imported or (own and own[1] == program.package and "func main()" in imported)


@pytest.mark.parametrize("program", CATALOG.values(), ids=lambda program: program.name)
def test_our_own_version_fits_and_is_stamped(program):
    version = parse(program.version)
    assert version is not None
    assert fits(version, program.accepts)
    stamps = dict(program.stamps)
    for name, value in stamps.items():
        if name.lower().endswith("version"):
            assert value.removeprefix("v") == program.version, name


def required(family: str) -> dict[str, str]:
    """Module -> version, of all that a family's go.mod requires; what Go builds with, for it is tidy."""
    text = (assets.tools() / family / "go.mod").read_text()
    return dict(re.findall(r"^(?:require |\t)(\S+) (v\S+)(?: // indirect)?$", text, re.MULTILINE))


@pytest.mark.parametrize("lane", [lane for lane in LANES if len(lane) > 1], ids="+".join)
def test_what_the_families_of_a_lane_share_is_of_one_version(lane):
    """Of another version, a module and all that imports it would be compiled again: client-go alone takes a minute."""
    programs = {program.module for program in CATALOG.values()}  # those are what they are
    versions: dict[str, dict[str, str]] = {}
    for family in lane:
        for module, version in required(family).items():
            versions.setdefault(module, {})[family] = version
    shared = {module: by for module, by in versions.items() if len(by) > 1 and module not in programs}
    assert {"k8s.io/client-go", "k8s.io/api", "golang.org/x/net"} <= set(shared)
    assert {module: by for module, by in shared.items() if len(set(by.values())) > 1} == {}


def test_kubernetes_is_pinned_once():
    text = (assets.tools() / "kubernetes" / "go.mod").read_text()
    replaced = set(re.findall(r"^\tk8s.io/\S+ => k8s.io/\S+ (v\S+)$", text, re.MULTILINE))
    minor = pinned("kube-apiserver").version.split(".", 1)[1]
    assert replaced == {f"v0.{minor}"}
    assert dict(pinned("helm3").stamps)["helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor"] == minor.split(".")[0]


@pytest.mark.parametrize("name", ["lws", "kwok"])
def test_a_program_and_its_manifests_are_of_one_version(name):
    assert module_version(CRD_MODULES[name].module) == pinned(name).version


@pytest.mark.parametrize("source", CRD_MODULES.values(), ids=lambda source: source.name)
def test_every_crd_module_has_its_checksum(source):
    sums = (assets.tools() / "crds" / "go.sum").read_text()
    assert f"{source.module} v{module_version(source.module)} h1:" in sums


@pytest.mark.parametrize(("key", "download"), DOWNLOADS.items(), ids=lambda value: str(value)[:40])
def test_a_download_is_of_the_pinned_version_and_has_a_whole_checksum(key, download):
    programs = [program for program in CATALOG.values() if program.family == key[0]]
    assert all(f"v{program.version}" in download.url for program in programs)
    algorithm, _, digest = download.digest.partition(":")
    assert len(bytes.fromhex(digest)) == {"sha256": 32, "sha512": 64}[algorithm]


@pytest.mark.parametrize("program", CATALOG.values(), ids=lambda program: program.name)
def test_the_archive_of_a_family_has_each_of_its_programs(program):
    """Else a program would be looked for in an archive without it."""
    for (family, _), download in DOWNLOADS.items():
        if family == program.family:
            assert executable_in(Path(), program).name in download.members


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ProgramError) as caught:
        pinned("kube-api-server")
    assert caught.value.remedy == "Did you mean 'kube-apiserver'?"
