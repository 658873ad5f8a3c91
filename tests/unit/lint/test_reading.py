"""From text to objects, with the line of everything."""

from __future__ import annotations

import pytest

from llmdctl.lint import Manifest, read
from llmdctl.lint.reading import inside
from llmdctl.lint.rule import codes
from llmdctl.model.finding import Severity

CODE = codes(("LD0001", "t", Severity.ERROR, "d"))["LD0001"]
OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


def test_documents_and_lists_become_objects_with_their_lines() -> None:
    items = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  spec:\n    x: 1\n"
    text = f"# head\n{OBJECT}---\n\n---\n{items}"
    found = read(text, "f.yaml").manifests
    assert [manifest.kind for manifest in found] == ["ConfigMap", "Service"]
    assert found[0].line(("metadata",)) == 4
    assert found[1].line(("spec", "x")) == 14


def test_json_is_yaml() -> None:
    found = read('{"apiVersion": "v1", "kind": "Service",\n "spec": {"ports": []}}', "f.json").manifests
    assert found[0].line(("spec", "ports")) == 2


def test_lists_of_one_kind_as_kubectl_gives_them() -> None:
    text = "apiVersion: v1\nkind: ServiceList\nitems:\n- metadata: {name: a}\n"
    found = read(text, "f.yaml").manifests
    assert [(item.kind, item.name, item.api_version) for item in found] == [("Service", "a", "v1")]


def test_what_is_no_object_is_left_out() -> None:
    done = read("replicas: 3\n---\n- 1\n---\n# nothing\n", "values.yaml")
    assert (done.manifests, done.findings, done.skipped) == ([], [], 2)


def test_one_broken_document_does_not_hide_the_others() -> None:
    done = read(f"{OBJECT}---\na: [\n---\n{OBJECT}", "f.yaml")
    assert len(done.manifests) == 2
    assert [(finding.code, finding.place) for finding in done.findings] == [("LD1900", "f.yaml:6")]


def test_a_template_is_told_from_bad_yaml() -> None:
    done = read("kind: Service\n{{- if .Values.x }}\na: b\n{{- end }}\n", "t.yaml")
    assert [(finding.severity, finding.line) for finding in done.findings] == [(Severity.UNKNOWN, 3)]


@pytest.mark.parametrize("text", ["&a [*a]", "a: &a [x]\nb: *a", "- " * 2000])
def test_no_text_ends_the_run(text: str) -> None:
    read(text, "f.yaml")


def test_a_key_that_stands_twice_is_found_in_its_line() -> None:
    done = read(f"{OBJECT}data:\n  x: 1\n  y: 2\n  x: 3\n", "f.yaml")
    assert [(finding.code, finding.line, finding.path) for finding in done.findings] == [("LD1901", 7, "data.x")]
    assert done.manifests[0].get("data", "x") == 3


def test_scalars_mean_what_they_mean_to_kubectl() -> None:
    found = read(
        'apiVersion: v1\nkind: A\na: yes\nb: 0o17\nc: 1e3\nd: 12:30\ne: "1"\nf: 2026-01-02\n', "f.yaml"
    ).manifests[0]
    assert [found.get(key) for key in "abcdef"] == [True, 15, 1000.0, "12:30", "1", "2026-01-02"]


def test_a_text_inside_an_object_has_the_lines_of_the_file() -> None:
    outer = read(f"{OBJECT}data:\n  c: |\n    a: 1\n    b:\n      - x\n", "f.yaml").manifests[0]
    source, problem = inside(outer, ("data", "c"), outer.text("data", "c"))
    assert problem == ""
    finding = source.finding(CODE, ("b", 0), "m.")
    assert (finding.line, finding.path, finding.object) == (8, "data.c: b[0]", "ConfigMap//a")


def test_a_text_in_quotes_has_the_line_of_its_key() -> None:
    outer = read(f'{OBJECT}data:\n  c: "a: 1\\nb: 2"\n', "f.yaml").manifests[0]
    source, _ = inside(outer, ("data", "c"), outer.text("data", "c"))
    assert source.finding(CODE, ("b",), "m.").line == 5


@pytest.mark.parametrize(
    ("text", "problem"), [("", "it is empty"), ("- a", "it is no mapping"), ("a: [", "no valid YAML in its line")]
)
def test_a_text_that_is_no_mapping_says_why(text: str, problem: str) -> None:
    assert problem in inside(Manifest(value={}), ("data", "c"), text)[1]


def test_objects_without_a_file_have_no_line() -> None:
    finding = Manifest(value={"kind": "A", "metadata": {"name": "n"}}).finding(CODE, ("spec",), "m.")
    assert (finding.file, finding.line, finding.place) == (None, None, "A//n")
