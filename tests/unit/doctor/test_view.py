"""A diagnosis as people see it, and the code it ends with."""

from __future__ import annotations

import pytest

from llmdctl.cli.views.doctor import page
from llmdctl.model.hop import BROKEN, HEALTHY, UNDECIDED, Diagnosis
from llmdctl.release.doctor import diagnose
from tests import documents
from tests.unit.doctor.scenes import FOLDER, scene_of


def _diagnosis(name: str) -> Diagnosis:
    return diagnose(scene_of(documents.load((FOLDER / f"{name}.yaml").read_text())))


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("healthy-istio", HEALTHY, "Nothing is broken; 1 of 1 entrances answered a request."),
        ("pool-target-port", BROKEN, "Broken: llm/qwen: the pool."),
        ("engine-one-of-two", BROKEN, "The chain holds, and something else is broken: see `also`."),
        ("client-no-right", UNDECIDED, "Nothing is broken as far as it could be looked at; unknown: client, engine"),
    ],
)
def test_the_last_line_is_the_verdict(name: str, code: int, words: str) -> None:
    found = _diagnosis(name)
    assert found.exit_code == code
    assert page(found).splitlines()[-1].startswith(words)


def test_a_broken_hop_shows_what_was_expected_and_a_command_on_a_line_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = page(_diagnosis("route-pool-name"))
    assert text.isascii()
    assert "      expected: the name of a pool, such as qwen" in text
    assert [line for line in text.splitlines() if line.startswith("      $ kubectl -n llm patch httproute qwen ")]
    assert all(len(line) <= 80 for line in text.splitlines() if not line.startswith("      $ "))
    assert "not looked at: the route is broken" in text


def test_what_sleeps_is_well_and_the_command_that_wakes_it_can_be_copied() -> None:
    found = _diagnosis("healthy-asleep")
    assert (found.exit_code, found.requests) == (HEALTHY, 0)
    text = page(found)
    assert "asleep: Deployment/llm/qwen has 0 replicas" in " ".join(text.split())
    assert "      $ llmdctl verify small -n llm --wake" in text.splitlines()
