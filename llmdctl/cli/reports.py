"""A report of preflight in each of its forms."""

from __future__ import annotations

import os
import shutil
import sys
from enum import StrEnum
from typing import TYPE_CHECKING

from llmdctl.cli.output import Format, as_text

if TYPE_CHECKING:
    from llmdctl.cli import results
    from llmdctl.model.check import PreflightReport


class ReportFormat(StrEnum):
    """How a report is written."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"
    JUNIT = "junit"
    MARKDOWN = "markdown"
    HTML = "html"

    @property
    def of_errors(self) -> Format:
        """How an error is written in place of the report: as a document where the report is one."""
        return {ReportFormat.JSON: Format.JSON, ReportFormat.YAML: Format.YAML}.get(self, Format.TEXT)


def written(
    report: PreflightReport,
    form: ReportFormat,
    *,
    strict: bool = False,
    verbose: bool = False,
    width: int | None = None,
) -> str:
    """The report as text in one form. `verbose` and `width` (columns) are those of the text for people."""
    match form:
        case ReportFormat.JSON | ReportFormat.YAML:
            return as_text(_result(report, strict=strict), form.of_errors)
        case ReportFormat.JUNIT:
            from llmdctl.preflight.junit import junit

            return junit(report, strict=strict)
        case ReportFormat.MARKDOWN:
            from llmdctl.preflight.markdown import markdown

            return markdown(report)
        case ReportFormat.HTML:
            from llmdctl import __version__
            from llmdctl.preflight.page import page

            return page(report, version=__version__)
        case ReportFormat.TEXT:
            from llmdctl.cli.views import preflight as view

            return "\n".join(view.lines(report, verbose=verbose, width=width)) + "\n"


def _result(report: PreflightReport, *, strict: bool) -> results.Preflight:
    from llmdctl import __version__
    from llmdctl.cli import results
    from llmdctl.preflight import wording

    return results.Preflight(
        recipe=report.recipe,
        facets=report.facets,
        release=report.release,
        namespace=report.namespace,
        server=report.server,
        version=report.version,
        captured_at=report.captured_at,
        llmdctl=__version__,
        verdict=wording.verdict(report),
        exit_code=wording.exit_code(report, strict=strict),
        counts=report.counts,
        platform=report.platform,
        placement=report.placement,
        results=report.results,
        nodes=report.nodes,
        sections=report.sections,
    )


def columns() -> int | None:
    """Columns of the terminal, or of COLUMNS; None for a pipe, which has no width."""
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        return None
    return shutil.get_terminal_size().columns
