"""What `install` says once everything is ready: how to use it, not how to wait for it."""

from __future__ import annotations

import pytest

from llmdctl import assets
from llmdctl.cli.views.releases import without_waiting
from llmdctl.helm import open_renderer
from llmdctl.model.selection import Overrides, Selection
from llmdctl.recipe import Catalog, compose
from llmdctl.values import build


@pytest.mark.parametrize(
    ("notes", "left"),
    [
        ("a is being deployed; wait with\n\n  kubectl wait x\n\nThen send a request:\n\n  curl x\n", "Send a request"),
        ("a is being deployed; wait with\n\n  kubectl wait x\n  kubectl wait y\n\nKnow that\n  - b\n", "Know that"),
        ("a is being deployed; wait with\n\n  kubectl wait x\n", ""),
        ("", ""),
    ],
)
def test_what_is_left_begins_after_the_commands_that_wait(notes: str, left: str):
    assert without_waiting(notes).startswith(left)
    assert "kubectl wait" not in without_waiting(notes)
    assert bool(left) is bool(without_waiting(notes))


@pytest.mark.parametrize("gateway", ["standalone", "istio"])
@pytest.mark.parametrize("path", ["optimized-baseline", "wide-ep"])
def test_the_charts_own_notes(path: str, gateway: str):
    recipe = compose(Catalog.load([assets.paths()]), Selection(path=path, gateway=gateway), Overrides())
    notes = open_renderer().render(build(recipe, name="pd", namespace="llm")).notes or ""
    assert " wait " in notes
    left = without_waiting(notes)
    assert left.startswith("Send a request through the ")
    assert "/v1/completions" in left
    assert "Cut-off: " in left
    assert "kubectl -n llm wait" not in left
    assert "rollout status" not in left
