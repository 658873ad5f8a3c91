"""A report as one HTML file that opens offline: summary, filter, every check with what was seen, nodes drawn.

Everything that comes from a cluster goes through Jinja's escaping; the page forbids itself, by its own content
security policy, to load anything. This is the only module of preflight that imports jinja2.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Final

from llmdctl.model.check import OUTCOMES, NodeSummary, Outcome, PreflightReport
from llmdctl.preflight import wording

if TYPE_CHECKING:
    from markupsafe import Markup

_TEMPLATE: Final = "page.html"
_EVIDENCE: Final = 200  # objects of one check; the JSON report has all of them
_SQUARE: Final = 12  # pixels of an accelerator
_STEP: Final = 15
_SQUARES: Final = 16  # more accelerators of one node than this are drawn as one bar


def page(report: PreflightReport, *, version: str) -> str:
    """The document. `version` is that of the program."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals.update(
        command=wording.command, memory_of=wording.memory_of, free_of=wording.free_of, drawn=drawn
    )
    source = files("llmdctl.preflight").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    made = environment.from_string(source).render(
        report=report,
        results=[result for outcome in OUTCOMES for result in report.of(outcome)],
        placement_rows=wording.placement_rows(report),
        verdict=wording.verdict(report),
        worst=_worst(report).value,
        code_word="Not ready" if report.of(Outcome.FAIL) else "Preflight",
        headline=wording.headline(report),
        cluster=wording.cluster(report),
        advice=wording.advice(report),
        evidence_limit=_EVIDENCE,
        version=version,
    )
    return made + "\n"


def drawn(node: NodeSummary) -> Markup | str:
    """The accelerators of a node as squares, free ones first; a bar where there are many. Holds numbers only."""
    from markupsafe import Markup

    total = node.allocatable
    if total <= 0:
        return ""
    free = None if node.free is None else max(0, min(node.free, total))
    if total > _SQUARES:
        return Markup(_bar(total, free))
    squares = "".join(_square(number, free) for number in range(total))
    width = total * _STEP - (_STEP - _SQUARE)
    return Markup(
        f'<svg width="{width}" height="{_SQUARE}" role="img" aria-label="{_label(total, free)}">{squares}</svg>'
    )


def _square(number: int, free: int | None) -> str:
    if free is None:
        return f'<rect class="blind" x="{number * _STEP + 0.5}" y="0.5" width="{_SQUARE - 1}" height="{_SQUARE - 1}"/>'
    kind = "free" if number < free else "used"
    return f'<rect class="{kind}" x="{number * _STEP}" width="{_SQUARE}" height="{_SQUARE}"/>'


def _bar(total: int, free: int | None) -> str:
    width = _SQUARES * _STEP
    share = 0 if free is None else round(width * free / total)
    inside = (
        f'<rect class="blind" x="0.5" y="0.5" width="{width - 1}" height="{_SQUARE - 1}"/>'
        if free is None
        else f'<rect class="used" width="{width}" height="{_SQUARE}"/>'
        f'<rect class="free" width="{share}" height="{_SQUARE}"/>'
    )
    return f'<svg width="{width}" height="{_SQUARE}" role="img" aria-label="{_label(total, free)}">{inside}</svg>'


def _label(total: int, free: int | None) -> str:
    return f"{'unknown' if free is None else free} of {total} free"


def _worst(report: PreflightReport) -> Outcome:
    return next((outcome for outcome in OUTCOMES if report.of(outcome)), Outcome.PASS)
