from __future__ import annotations

import json
import re

import pytest

from llmdctl import assets
from llmdctl.errors import ProgramError
from llmdctl.programs.crds import CRD_MODULES, crds, manifests, module_version

LWS = CRD_MODULES["lws"].module
# PyYAML reads a lone `=` as a YAML 1.1 value that it then cannot construct.
CRD = """
kind: CustomResourceDefinition
metadata: {name: things.example.com}
operators:
- =
- '!='
"""


@pytest.fixture
def module(tmp_path, cache, go, monkeypatch):
    """The LWS module as the fake `go` hands it out."""
    folder = tmp_path / "module"
    (folder / "config/crd/bases").mkdir(parents=True)
    (folder / "config/crd/bases/things.yaml").write_text(f"# comment\n---\n{CRD}---\nkind: Other\n")
    found = re.search(rf"^{LWS} v\S+ (h1:\S+)$", (assets.tools() / "crds" / "go.sum").read_text(), re.MULTILINE)
    assert found is not None
    answer = tmp_path / "answer.json"
    monkeypatch.setenv("FAKE_GO_MODULE", str(answer))
    answer.write_text(json.dumps({"Dir": str(folder), "Sum": found.group(1)}))
    return folder


def test_only_crds_are_taken_and_an_equals_sign_is_a_string(module):
    [crd] = crds("lws")
    assert crd["metadata"]["name"] == "things.example.com"
    assert crd["operators"] == ["=", "!="]


def test_what_was_read_once_needs_no_module_again(module):
    said: list[str] = []
    first = crds("lws", report=said.append)
    (module / "config/crd/bases/things.yaml").unlink()
    assert crds("lws", report=said.append) == first
    assert said == [f"{LWS} {module_version(LWS)}: reading its manifests out of the module"]


def test_another_content_than_the_pinned_one_is_refused(module, tmp_path):
    (tmp_path / "answer.json").write_text(json.dumps({"Dir": str(module), "Sum": "h1:other="}))
    with pytest.raises(ProgramError, match="has the checksum h1:other=, not the one in"):
        crds("lws")


def test_a_pattern_that_matches_nothing_is_said_so(module):
    with pytest.raises(ProgramError, match="holds nothing at config/absent"):
        manifests("lws", "config/absent/*.yaml")


def test_a_module_that_cannot_be_fetched(module, tmp_path):
    (tmp_path / "answer.json").write_text(json.dumps({"Error": "no route to host"}))
    with pytest.raises(ProgramError, match="cannot be fetched: no route to host"):
        crds("lws")
