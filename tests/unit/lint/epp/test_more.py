"""About a hundred more configurations that a built endpoint picker 0.9.0 was started with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmdctl.lint.epp import check_value

CASES = json.loads((Path(__file__).parent / "data" / "more-0.9.json").read_text(encoding="utf-8"))["cases"]

# The endpoint picker looks away; what stands there is still no list of parameters, no limit, no set of bands.
STRICTER = {"params_list_on_noparam", "fc neg nogate", "fc ttl neg nogate"}
# Found only when the value is used: the size is a text that the linter does not read.
LENIENT = {"precise cost bad"}


@pytest.mark.parametrize("name", CASES)
def test_same_verdict(name: str) -> None:
    verdict = check_value(CASES[name]["input"], "0.9")
    said = [f"{item.code} {item.path}: {item.message}" for item in verdict.remarks]
    if name in STRICTER:
        assert not verdict.accepted
    elif name in LENIENT:
        assert verdict.accepted
    else:
        assert verdict.accepted is CASES[name]["accepted"], said
