"""`llmdctl preflight`: whether a cluster, live or captured, can carry a recipe."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmdctl.cli import casing, complete, composing, probes
from llmdctl.cli.declared import declared
from llmdctl.cli.options import ClusterOptions, RecipeOptions, ReleaseOptions
from llmdctl.cli.output import OutputChoice, replace_file, say, use, write_text
from llmdctl.cli.reports import ReportFormat, columns, written
from llmdctl.errors import UsageError

if TYPE_CHECKING:
    from llmdctl.model.check import PreflightReport

_EVERY = "all"


def _explain(code: str | None) -> None:
    """Show the page of one check and leave: no recipe and no cluster is needed for it."""
    if code is None:
        return
    from llmdctl.cli.views import preflight as view
    from llmdctl.preflight import CHECKS, LEFT_OUT
    from llmdctl.preflight.selecting import known_codes

    if code.casefold() == _EVERY:
        write_text("\n".join(view.catalogue(CHECKS.values())))
    elif code.upper() in LEFT_OUT:
        write_text(f"{code.upper()} is no check of this program: {LEFT_OUT[code.upper()]}.")
    else:
        (known,) = known_codes([code], CHECKS)
        write_text("\n".join(view.explained(CHECKS[known], width=columns())))
    raise typer.Exit


@dataclass(frozen=True, kw_only=True)
class PreflightOptions:
    """What is judged, and how strictly."""

    inventory: Annotated[
        Path | None,
        typer.Option(
            "--inventory", metavar="FILE", help="Judge this captured cluster (or kubectl output); none is asked."
        ),
    ] = None
    only: Annotated[
        list[str],
        typer.Option(
            "--only",
            metavar="CODE|CATEGORY",
            help="Only this check, or the checks of this category; may be repeated.",
            autocompletion=complete.checks,
        ),
    ] = field(default_factory=list)
    ignore: Annotated[
        list[str],
        typer.Option(
            "--ignore",
            metavar="CODE",
            help="Make a failure of this check a warning; may be repeated.",
            autocompletion=complete.checks,
        ),
    ] = field(default_factory=list)
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 4 when there are warnings.")] = False
    explain: Annotated[
        str | None,
        typer.Option(
            "--explain",
            metavar="CODE",
            help="Show what a check is for, and leave; 'all' lists them.",
            is_eager=True,
            callback=_explain,
            autocompletion=complete.checks,
        ),
    ] = None
    timeout: Annotated[
        int, typer.Option("--timeout", metavar="SECONDS", min=1, help="Limit for reading the cluster.")
    ] = 60
    probe: Annotated[
        bool,
        typer.Option(
            "--probe", help="Also run a short Job on each sort of node: driver, memory, cards, limits, image pull."
        ),
    ] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --probe: only show the Jobs it would run.")] = False


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """How the report is shown."""

    output: Annotated[ReportFormat, typer.Option("--output", "-o", help="How the report is written.")] = (
        ReportFormat.TEXT
    )
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Write the report into this file.")] = None
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also list what passed, and everything that was seen.")
    ] = False
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the report and errors.")] = False
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when llmdctl itself fails.")] = False


@declared(RecipeOptions, ReleaseOptions, PreflightOptions, ClusterOptions, ReportOptions)
def run(
    recipe: RecipeOptions,
    release: ReleaseOptions,
    options: PreflightOptions,
    cluster: ClusterOptions,
    shown: ReportOptions,
) -> None:
    """Check whether this cluster can carry a recipe: capacity, hardware, CRDs, rights. Changes nothing."""
    from llmdctl.preflight import CHECKS, preflight
    from llmdctl.preflight.selecting import known_codes, selected
    from llmdctl.preflight.wording import exit_code

    use(OutputChoice(shown.output.of_errors, shown.quiet, shown.debug))
    selected(options.only, CHECKS)  # a name that is wrong is said before anything takes its time
    known_codes(options.ignore, CHECKS)
    _fitting(options)
    catalog = composing.load_catalog(recipe)
    composed = composing.compose(recipe, release, catalog=catalog)
    spec = composing.build(composed, recipe, release)
    if options.inventory is not None:
        case = casing.captured(composed, catalog, spec, recipe, options.inventory)
    else:
        case = casing.live(composed, catalog, spec, recipe, cluster, timeout_s=float(options.timeout))
    if options.dry_run:
        probes.shown(case, cluster)
        return
    if options.probe:
        case = probes.probed(case, cluster)
    report = preflight(case, only=options.only, ignored=options.ignore)
    _write(report, options, shown)
    raise typer.Exit(exit_code(report, strict=options.strict))


def _fitting(options: PreflightOptions) -> None:
    if options.dry_run and not options.probe:
        raise UsageError("--dry-run is for --probe: preflight itself changes nothing.")
    if options.probe and options.inventory is not None:
        raise UsageError("--probe runs Jobs in a cluster, and --inventory asks none.", remedy="Leave one of them out.")


def _write(report: PreflightReport, options: PreflightOptions, shown: ReportOptions) -> None:
    width = columns() if shown.to is None else None
    text = written(report, shown.output, strict=options.strict, verbose=shown.verbose, width=width)
    if shown.to is None:
        write_text(text)
        return
    from llmdctl.preflight.wording import tally, verdict

    replace_file(shown.to, text)
    say(f"{tally(report)}.")
    say(f"{verdict(report)} The report is in {shown.to}.")
