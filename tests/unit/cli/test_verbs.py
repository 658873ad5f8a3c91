"""The verbs as `--help` lists them, and as they are."""

import pytest

from llmdctl.cli.verbs import SUMMARIES, load


@pytest.mark.parametrize("name", SUMMARIES)
def test_a_verb_says_of_itself_what_the_list_of_verbs_says_of_it(name: str) -> None:
    assert load(name).help == SUMMARIES[name]
