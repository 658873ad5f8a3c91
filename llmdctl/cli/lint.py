"""`llmdctl lint`: the rules of this program over any manifests: files, folders, standard input, a live namespace."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmdctl.cli import doors
from llmdctl.cli.declared import declared
from llmdctl.cli.options import ClusterOptions
from llmdctl.cli.output import Format, OutputChoice, say, session, use, write_json, write_result, write_text
from llmdctl.errors import StrictWarningError, UsageError

if TYPE_CHECKING:
    from llmdctl.lint import Configuration, Read, Suppression
    from llmdctl.model.finding import Report

FOUND_ERRORS = 2


class LintFormat(StrEnum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


@dataclass(frozen=True, kw_only=True)
class LintOptions:
    """What is linted, and how."""

    places: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE|DIR|-]...", help="Manifests: files, folders, or - for standard input."),
    ] = None
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace", "-n", metavar="NAMESPACE", help="Lint what is in this namespace of the cluster now."
        ),
    ] = None
    ignore: Annotated[
        list[str], typer.Option("--ignore", metavar="CODE", help="Leave findings of this code out; may be repeated.")
    ] = field(default_factory=list)
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 4 when there are warnings.")] = False
    partial: Annotated[
        bool,
        typer.Option(
            "--partial", help="The files are a part of something: what is missing in them may stand elsewhere."
        ),
    ] = False
    engine_version: Annotated[
        str,
        typer.Option(
            "--engine-version",
            metavar="VERSION",
            help="Version of vLLM or SGLang, where the image's tag does not say it.",
        ),
    ] = ""
    epp_version: Annotated[
        str, typer.Option("--epp-version", metavar="VERSION", help="Version of the endpoint picker, such as 0.9.")
    ] = ""
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Instead of .llmdctl-lint.yaml in this folder.")
    ] = None
    list_rules: Annotated[bool, typer.Option("--list-rules", help="Show every rule instead of linting.")] = False
    output: Annotated[LintFormat, typer.Option("--output", "-o", help="How findings are written.")] = LintFormat.TEXT
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only errors and warnings.")] = False
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when llmdctl itself fails.")] = False


@declared(LintOptions, ClusterOptions)
def run(options: LintOptions, cluster: ClusterOptions) -> None:
    """Find mistakes in manifests, ours or not: engine flags, scheduler, ports, pairs, scalers. Installs nothing."""
    from llmdctl.lint import Versions, lint, load_configuration
    from llmdctl.model.finding import Report

    use(OutputChoice(_format(options.output), options.quiet, options.debug))
    if options.list_rules:
        _rules()
        return
    configuration = load_configuration(options.config)
    chosen = _suppression(options, configuration)
    reads = _read(options, cluster)
    versions = Versions(
        engine=options.engine_version or configuration.engine_version,
        epp=options.epp_version or configuration.epp_version,
    )
    report = Report.together(
        lint(
            read.manifests,
            versions=versions,
            suppression=chosen,
            found=read.findings,
            complete=read.complete and not options.partial,
        )
        for read in reads
    )
    _write(report, options)
    counts = report.counts
    if counts["error"]:
        raise typer.Exit(FOUND_ERRORS)
    if options.strict and counts["warning"]:
        raise typer.Exit(StrictWarningError.exit_code)


def _format(chosen: LintFormat) -> Format:
    """How an error is written while findings are: only JSON has a form for it."""
    return Format.JSON if chosen is LintFormat.JSON else Format.TEXT


def _suppression(options: LintOptions, configuration: Configuration) -> Suppression:
    from llmdctl.lint import suppression
    from llmdctl.lint.configuration import FILE_NAME

    return suppression({"--ignore": options.ignore, str(options.config or FILE_NAME): list(configuration.ignore)})


def _read(options: LintOptions, cluster: ClusterOptions) -> tuple[Read, ...]:
    """Everything that is to be judged, what belongs together in one.

    Raises UsageError when nothing was named, or when there is no object in it.
    """
    from llmdctl.lint import Manifest, gather

    places = list(options.places or ())
    if not places and options.namespace is None:
        raise UsageError(
            "Nothing to lint was named.", remedy="Name files or folders, - for standard input, or --namespace."
        )
    reads = gather(places, sys.stdin.buffer.read() if "-" in places else None)
    if options.namespace is not None:
        from llmdctl.release import live_objects

        live = live_objects(doors.open_cluster(cluster), options.namespace)
        reads[0].manifests.extend(Manifest(value=item) for item in live.objects)
        if live.forbidden:
            say(f"Not read, for lack of rights: {', '.join(live.forbidden)}.")
    if not options.partial and not any(read.manifests or read.findings for read in reads):
        raise UsageError(
            "There is no object of Kubernetes to lint.",
            remedy="Render charts and kustomizations first, and lint the result.",
        )
    return reads


def _write(report: Report, options: LintOptions) -> None:
    from llmdctl import __version__
    from llmdctl.cli import results
    from llmdctl.cli.views import findings as view
    from llmdctl.lint import CODES, sarif

    match options.output:
        case LintFormat.JSON:
            result = results.Lint(
                findings=report.findings, counts=report.counts, objects=report.objects, ignored=report.ignored
            )
            write_result(result, None)
        case LintFormat.SARIF:
            write_json(sarif(report, CODES, version=__version__))
        case LintFormat.GITHUB:
            write_text("".join(f"{line}\n" for line in view.github(report)) or None)
        case LintFormat.TEXT:
            write_text("".join(f"{line}\n" for line in view.lines(report, quiet=session.quiet)) or None)


def _rules() -> None:
    from llmdctl.cli import results
    from llmdctl.cli.views import findings as view
    from llmdctl.lint import CODES

    rows = tuple(
        results.LintRule(code=code.code, title=code.title, severity=code.severity, doc=code.doc)
        for code in sorted(CODES.values(), key=lambda entry: entry.code)
    )
    write_result(results.LintRules(rules=rows), view.rules(rows))
