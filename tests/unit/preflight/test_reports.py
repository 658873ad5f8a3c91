"""Every way of writing a report: nothing is lost, nothing of a cluster becomes markup, counts agree."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from llmdctl.cli.views.preflight import lines
from llmdctl.model.check import OUTCOMES, Outcome, PreflightReport
from llmdctl.preflight import wording
from llmdctl.preflight.junit import junit
from llmdctl.preflight.markdown import markdown
from llmdctl.preflight.page import drawn, page
from tests.unit.preflight.reports import HOSTILE, REPORT, RESULTS, node

PASSING = replace(REPORT, results=tuple(each for each in RESULTS if each.outcome in (Outcome.PASS, Outcome.SKIP)))


@pytest.mark.parametrize(
    ("left_out", "strict", "code"),
    [
        ((), False, 3),
        ((Outcome.FAIL,), False, 0),
        ((Outcome.FAIL,), True, 4),
        ((Outcome.FAIL, Outcome.WARN), True, 0),
    ],
)
def test_exit_codes(left_out: tuple[Outcome, ...], strict: bool, code: int) -> None:
    report = replace(REPORT, results=tuple(each for each in RESULTS if each.outcome not in left_out))
    assert wording.exit_code(report, strict=strict) == code


@pytest.mark.parametrize("width", [80, 100, None])
@pytest.mark.parametrize("verbose", [False, True])
def test_text_keeps_its_width_and_its_commands(width: int | None, verbose: bool) -> None:
    text = list(lines(REPORT, verbose=verbose, width=width))
    assert "      $ kubectl apply -f - <<'YAML'" in text
    at = text.index("      $ kubectl apply -f - <<'YAML'")
    assert text[at + 1 : at + 4] == ["kind: X", "  a: 1", "YAML"], "a manifest that is handed in keeps its spaces"
    assert "".join(text).isascii()
    long = [line for line in text if width and len(line) > width]
    assert long == []
    assert text[-1].startswith("Not ready: 1 check failed") or width == 80


def test_text_begins_with_failures_and_counts_what_passed() -> None:
    text = "\n".join(lines(REPORT))
    places = [text.index(word) for word in ("FAIL  LD0604", "WARN  LD0606", "UNKNOWN 2 checks", "ROLE ", "1 passed")]
    assert places == sorted(places)
    assert "LD0611 LD0612" in text
    assert "LD0801" not in text
    assert "PASS  LD0801" in "\n".join(lines(REPORT, verbose=True))
    assert "decode  1 of 2    1 of 2  a; 1 without a node" in text
    assert "--platform gke" in text


def test_no_more_evidence_than_a_person_reads_but_it_says_so() -> None:
    many = replace(RESULTS[0], evidence=RESULTS[0].evidence * 50)
    text = "\n".join(lines(replace(REPORT, results=(many,))))
    assert "and 95 more" in text
    assert "And 90 more." in markdown(replace(REPORT, results=(many,)))


def test_a_part_of_the_checks_never_calls_a_cluster_ready() -> None:
    assert "Nothing failed among 2 of" in wording.verdict(PASSING)
    assert "Ready" not in wording.verdict(PASSING)


@pytest.mark.parametrize(("strict", "failures"), [(False, 1), (True, 2)])
def test_junit_counts_and_says_everything(strict: bool, failures: int) -> None:
    root = ElementTree.fromstring(junit(REPORT, strict=strict))
    assert {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "6", "failures": str(failures), "errors": "2", "skipped": "1",
    }  # fmt: skip
    cases = {case.get("name", "").split()[0]: case for case in root.iter("testcase")}
    assert set(cases) == {each.code for each in RESULTS}
    failure = cases["LD0604"].find("failure")
    assert failure is not None
    assert failure.get("message") == RESULTS[0].message.replace("\x07", "?")
    assert "$ kubectl get nodes" in (failure.text or "")
    assert cases["LD0801"].find("error") is None
    assert cases["LD0611"].find("error") is not None, "what could not be decided did not pass"
    assert [suite.get("name") for suite in root] == ["hardware", "capacity", "autoscaling"]


def test_markdown_shows_names_as_they_are() -> None:
    text = markdown(REPORT)
    assert text.startswith("# Not ready: 1 check failed.")
    assert "<script>" not in text
    assert "\\<script\\>" in text
    table = [line for line in text.splitlines() if line.startswith("| Node//a ")]
    assert len(table) == 1
    assert len(re.findall(r"(?<!\\)\|", table[0])) == 4, "a name cannot open another column"
    assert "```sh\nkubectl get nodes -o wide\n```" in text
    assert "<summary>Passed (1)</summary>" in text


class _Seen(HTMLParser):
    """What a browser would find: elements with their attributes, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def seen(report: PreflightReport) -> _Seen:
    found = _Seen()
    found.feed(page(report, version="1.2.3"))
    return found


def test_the_page_loads_nothing_and_runs_one_script() -> None:
    found = seen(REPORT)
    loading = [(tag, attributes) for tag, attributes in found.elements if {"src", "srcset", "data"} & set(attributes)]
    assert loading == []
    assert [tag for tag, _ in found.elements if tag in ("link", "iframe", "img", "object", "base", "form")] == []
    assert [attributes for tag, attributes in found.elements if tag == "script"] == [{}]
    references = [attributes["href"] for _, attributes in found.elements if "href" in attributes]
    assert all(reference is not None and reference.startswith("#") for reference in references)
    text = page(REPORT, version="1.2.3")
    assert "url(" not in text and "@import" not in text
    policy = next(a["content"] for tag, a in found.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none'")


def test_the_page_shows_each_check_and_node() -> None:
    found = seen(REPORT)
    cards = {a["id"]: a["data-outcome"] for tag, a in found.elements if tag == "article"}
    assert cards == {each.code: each.outcome.value for each in RESULTS}
    assert list(cards.values()) == sorted(cards.values(), key=[each.value for each in OUTCOMES].index)
    rows = [a["data-node"] for tag, a in found.elements if "data-node" in a]
    assert rows == [each.name for each in REPORT.nodes]
    assert HOSTILE in "".join(found.text) and "H200" in "".join(found.text)


@pytest.mark.parametrize(
    ("allocatable", "free", "shapes"),
    [
        (8, 3, {"free": 3, "used": 5}),
        (8, None, {"blind": 8}),
        (0, 0, {}),
        (40, 10, {"used": 1, "free": 1}),
        (40, None, {"blind": 1}),
        (4, -2, {"used": 4}),
        (4, 9, {"free": 4}),
    ],
)
def test_free_capacity_is_drawn(allocatable: int, free: int | None, shapes: dict[str, int]) -> None:
    drawing = str(drawn(node("n", allocatable=allocatable, free=free)))
    assert {
        kind: drawing.count(f'class="{kind}"') for kind in ("free", "used", "blind") if f'"{kind}"' in drawing
    } == shapes


def test_a_page_of_five_thousand_nodes_is_made_in_a_second() -> None:
    import time

    big = replace(REPORT, nodes=tuple(node(f"node-{number}") for number in range(5000)))
    started_s = time.process_time()
    text = page(big, version="1")
    assert text.count("<tr data-node") == 5000
    assert time.process_time() - started_s < 5, "the budget is 1 s on a quiet machine (make bench)"
