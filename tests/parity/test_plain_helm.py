"""`helm template charts/llmd -f paths/<recipe>/values.yaml` gives the same objects as llmdctl, with nothing of ours.

Object for object: as generated, by either major version of Helm, and with a user's file on top.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from llmdctl.model.selection import Overrides
from tests.parity.plain import CELLS, NAMES, Helm, generated, opened, ours

pytestmark = pytest.mark.programs

USER_FILE = """
scheduler:
  replicas: 2
  nodeSelector: {pool: cpu}
modelserver:
  roleDefaults:
    env:
      EXTRA: "on"
      VLLM_NO_USAGE_STATS: null
    args:
      max-num-seqs: 1048576
    podAnnotations: {example.com/team: "y"}
"""


@pytest.fixture(scope="module")
def helm() -> Iterator[Callable[[int], Helm]]:
    """`helm(major)`."""
    with ExitStack() as stack:
        programs = {major: stack.enter_context(opened(major, "generated-files")) for major in NAMES}
        yield programs.__getitem__


@pytest.mark.parametrize("major", NAMES)
@pytest.mark.parametrize("file", sorted(CELLS))
def test_each_generated_file(file: str, major: int, helm) -> None:
    assert generated(file)
    assert helm(major).gives([generated(file)], file)


@pytest.mark.parametrize("file", ["optimized-baseline/values.yaml", "pd-disaggregation/values.yaml"])
def test_with_a_user_file(file: str, tmp_path: Path, helm) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(USER_FILE)
    expected = ours(file, Overrides(files=(mine,)))
    assert "1048576" in json.dumps(expected)
    assert helm(4).gives([expected], file, "-f", str(mine))
