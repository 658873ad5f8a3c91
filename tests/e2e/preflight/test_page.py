"""The HTML report in a real browser: it opens from a file, filters by its address, and shows what the report holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from llmdctl.preflight.page import page
from tests.e2e.preflight import browser
from tests.unit.preflight.reports import HOSTILE, REPORT, RESULTS

pytestmark = pytest.mark.e2e

CARD = re.compile(r'<article id="(LD\d{4})"[^>]*?(hidden="")?>')


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    found = browser.find()
    if isinstance(found, str):
        pytest.skip(found)
    with found.running(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("page") / "report.html"
    place.write_text(page(REPORT, version="1.2.3"), encoding="utf-8")
    return place


def shown(dom: str) -> list[str]:
    return [code for code, hidden in CARD.findall(dom) if not hidden]


@pytest.mark.parametrize(
    ("fragment", "codes"),
    [
        ("", {each.code for each in RESULTS}),
        ("#all", {each.code for each in RESULTS}),
        ("#fail", {"LD0604"}),
        ("#unknown", {"LD0611", "LD0612"}),
        ("#skip", {"LD1402"}),
        ("#category=capacity", {"LD0801"}),
        ("#LD0801", {each.code for each in RESULTS}),
        ("#%3Cscript%3E", {each.code for each in RESULTS}),
    ],
)
def test_the_address_filters(chromium: browser.Browser, file: Path, fragment: str, codes: set[str]) -> None:
    dom = chromium.dom(file, fragment)
    assert set(shown(dom)) == codes
    said = re.search(r'id="shown"[^>]*>([^<]*)<', dom)
    assert said is not None
    assert said[1] == ("" if len(codes) == len(RESULTS) else f"{len(codes)} of {len(RESULTS)} checks shown")


def test_nothing_of_a_cluster_runs(chromium: browser.Browser, tmp_path: Path) -> None:
    attack = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>\" onload=\"x"
    place = tmp_path / "attack.html"
    first = replace(RESULTS[0], message=attack, title=attack, remedy=(attack, f"$ {attack}"))
    nodes = tuple(replace(each, name=attack, product=attack) for each in REPORT.nodes)
    place.write_text(page(replace(REPORT, server=attack, nodes=nodes, results=(first,)), version="1"), encoding="utf-8")
    dom = chromium.dom(place)
    assert "<title>owned" not in dom
    assert "<img" not in dom
    assert dom.count("<script") == 1


def test_a_person_sees_the_nodes(chromium: browser.Browser, file: Path) -> None:
    dom = chromium.dom(file)
    assert dom.count("<svg") == len(REPORT.nodes) + 3, "one a node, and the legend"
    assert HOSTILE.split("\x07")[0].replace("<", "&lt;").replace(">", "&gt;") in dom
    assert len(chromium.picture(file)) > 20_000, "an empty page is smaller"
