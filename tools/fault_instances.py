"""The sections of guides/faults.md that say of each known mistake and complaint which rows are instances of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from llmdctl.lint import CODES
from llmdctl.preflight.checks import CHECKS
from tests.unit.doctor import scenes
from tests.unit.release import scalers
from tests.unit.verify import cases as proofs

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "tests" / "examples"
KNOWN = ROOT / "tests" / "cases" / "faults.yaml"


def instances() -> Iterator[str]:
    """Lines: the mistakes of public recipes, then what users complain about."""
    known = yaml.safe_load(KNOWN.read_text(encoding="utf-8"))
    defects = yaml.safe_load((EXAMPLES / "defects.yaml").read_text(encoding="utf-8"))["defects"]
    yield from ("", "## Mistakes of public recipes", "")
    yield "Found in <https://github.com/llm-d/llm-d> in June 2026. Before the install they are refused or named by"
    yield "validation, `lint` and `preflight`; once they run, by doctor and verify."
    yield from ("", "| | Mistake | Before the install | While it runs |", "|---|---|---|---|")
    for number, (name, entry) in enumerate(defects.items(), start=1):
        yield _row(str(number), entry["what"], _refusals(entry["examples"]), name, known["defects"].get(name, {}))
    yield from ("", "## What users complain about", "")
    yield "Complaints from the issue trackers of serving stacks; each row links one of them."
    yield from ("", "| | Complaint | Before the install | While it runs |", "|---|---|---|---|")
    for number, (name, entry) in enumerate(known["pains"].items(), start=1):
        what = f"[{entry['what'].rstrip('.')}]({entry['source']})"
        yield _row(str(number), what, ", ".join(_code(code) for code in entry["before"]), name, {})


def seeded(name: str) -> list[str]:
    """The verdicts of all cases that are instances of a mistake or complaint: hop or code, and the fault."""
    return [f"{said}: {_small(title)}" for of, said, title in _cases() if name in of]


def _cases() -> Iterator[tuple[Collection[str], str, str]]:
    """Of every case: what it is an instance of, who says what, and its title."""
    for case in scenes.all_cases():
        if case.data.get("of"):
            broken = case.diagnosis.chains[0].broken
            yield case.data["of"], f"doctor {broken.name.value if broken else _also(case)}", case.title
    for proof in sorted(proofs.all_cases(), key=lambda case: case.code):
        yield proof.data.get("of", ()), f"verify {proof.code}", proof.title
    for scaler in scalers.all_cases():
        yield scaler.data.get("of", ()), "verify LV0901", scaler.title


def _also(case: scenes.FaultCase) -> str:
    """Which of the things that doctor also says is meant: a code, or a kind."""
    return ", ".join(str(word) for word in case.expected.get("also", ("unknown",)))


def _row(number: str, what: str, before: str, name: str, known: Mapping[str, Any]) -> str:
    rows = seeded(name)
    running = "<br>".join(rows) if rows else f"nothing runs: {_small(known['refused'])}"
    return f"| {number} | {what} | {before} | {running} |"


def _refusals(examples: Iterable[str]) -> str:
    """The codes that the examples of a mistake give; `refused` where a message without a code does it."""
    codes: dict[str, None] = {}
    for example in examples:
        case = yaml.safe_load((EXAMPLES / example / "case.yaml").read_text(encoding="utf-8"))
        said = re.findall(r"L[DV]\d{4}", (EXAMPLES / example / "message.txt").read_text(encoding="utf-8"))
        found = case.get("finds") or list(dict.fromkeys(said))
        codes |= dict.fromkeys(_code(code) for code in found) if found else {"refused by validation": None}
    return ", ".join(codes)


def _code(code: str) -> str:
    """With its page, where it has one."""
    if code in CHECKS:
        return f"[{code}](checks/{code}.md)"
    assert code in CODES, f"there is no {code}"
    return code


def _small(text: str) -> str:
    """As a part of a line."""
    first = text.partition(" ")[0]
    small = text[:1].lower() + text[1:] if first.istitle() and first.isalpha() else text
    return small.rstrip(".").replace("|", "\\|").replace("<", "&lt;")
