"""Texts that are no configuration, or more than one."""

from __future__ import annotations

import pytest

from llmdctl.lint.epp import check, nearest_version

GOOD = """apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: queue-scorer
schedulingProfiles:
- name: default
  plugins:
  - pluginRef: queue-scorer
"""
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_good() -> None:
    assert check(GOOD, "0.9").remarks == ()


@pytest.mark.parametrize(
    ("text", "code", "accepted"),
    [
        ("", "LD1802", True),
        ("# nothing\n", "LD1802", True),
        ("---\n", "LD1802", True),
        (GOOD + "---\n" + GOOD, "LD1802", True),
        ("a: [", "LD1801", False),
        ("just text", "LD1801", False),
        ("- a\n- b\n", "LD1801", False),
        (GOOD + "kind: EndpointPickerConfig\n", "LD1801", False),
        ("? [a]\n: b\n", "LD1801", False),
        (BOMB, "LD1801", False),
        ("a: &a [*a]\n", "LD1801", False),
        ("[" * 500 + "]" * 500, "LD1801", False),
        ("\tplugins: []", "LD1801", False),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_text(text: str, code: str, accepted: bool) -> None:
    verdict = check(text, "0.9")
    assert code in {item.code for item in verdict.remarks}
    assert verdict.accepted is accepted


@pytest.mark.parametrize("value", ["plugins: 5", "plugins: [5]", "plugins: [{type: 7}]", "schedulingProfiles: [x]"])
@pytest.mark.parametrize("more", ["", "flowControl: []", "featureGates: [1]", "dataLayer: {sources: [3]}"])
def test_any_form_of_a_value_gets_an_answer(value: str, more: str) -> None:
    assert not check(f"{value}\n{more}\n", "0.9").accepted


@pytest.mark.parametrize(
    ("release", "version", "exact"),
    [
        ("0.7.1", "0.7", True),
        ("v0.9.0", "0.9", True),
        ("0.9.0-rc.1", "0.9", True),
        ("v0.10.2", "0.10", True),
        ("0.8.0", "0.7", False),
        ("0.5.0", "0.7", False),
        ("0.11.0", "0.10", False),
        ("1.4.0", "0.10", False),
        ("main", "0.10", False),
        ("", "0.10", False),
    ],
)
def test_nearest_version(release: str, version: str, exact: bool) -> None:
    assert nearest_version(release) == (version, exact)


def test_lines_come_from_the_node() -> None:
    node = check(GOOD, "0.9").node
    assert node is not None
    assert node.start_mark.line == 0
