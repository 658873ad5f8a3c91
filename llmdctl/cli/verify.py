"""`llmdctl verify`: whether a release really does what it was installed for."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmdctl.cli import complete, doors
from llmdctl.cli.declared import declared
from llmdctl.cli.options import ClusterOptions, NamespaceOptions
from llmdctl.cli.output import Format, OutputChoice, as_text, replace_file, say, use, write_text
from llmdctl.cli.reports import columns

if TYPE_CHECKING:
    from llmdctl.cli import results
    from llmdctl.model.proof import VerifyReport
    from llmdctl.prometheus import Ask

_EVERY = "all"


class ProofFormat(StrEnum):
    """How the report is written."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"
    JUNIT = "junit"

    @property
    def of_errors(self) -> Format:
        """How an error is written in place of the report."""
        return {ProofFormat.JSON: Format.JSON, ProofFormat.YAML: Format.YAML}.get(self, Format.TEXT)


def _explain(code: str | None) -> None:
    """Show the page of one proof and leave: no release and no cluster is needed for it."""
    if code is None:
        return
    from llmdctl.cli.views import proofs as view
    from llmdctl.release.verify import CLAIMS, selected

    if code.casefold() == _EVERY:
        write_text("\n".join(view.catalogue(CLAIMS.values())))
    else:
        pages = ["\n".join(view.explained(claim, width=columns())) for claim in selected([code], [])]
        write_text("\n\n".join(pages))
    raise typer.Exit


@dataclass(frozen=True, kw_only=True)
class VerifyOptions(NamespaceOptions):
    """Which release, and what is proved of it."""

    release: Annotated[str, typer.Argument(help="Name of the release.")]
    only: Annotated[
        list[str],
        typer.Option(
            "--only",
            metavar="CODE|FAMILY",
            help="Only this proof, or the proofs of this family; may be repeated.",
            autocompletion=complete.proofs,
        ),
    ] = field(default_factory=list)
    skip: Annotated[
        list[str],
        typer.Option(
            "--skip",
            metavar="CODE|FAMILY",
            help="Not this proof, or not this family; may be repeated.",
            autocompletion=complete.proofs,
        ),
    ] = field(default_factory=list)
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 4 on a warning or an unknown.")] = False
    long: Annotated[bool, typer.Option("--long", help="Also read one stream for 65 s.")] = False
    requests: Annotated[
        int, typer.Option("--requests", metavar="N", min=0, help="Send at most this many requests to the model.")
    ] = 24
    timeout: Annotated[int, typer.Option("--timeout", metavar="SECONDS", min=1, help="Limit of each of them.")] = 60
    wake: Annotated[
        bool, typer.Option("--wake", help="Wake a release that sleeps by a request, and prove it then.")
    ] = False
    wake_timeout: Annotated[
        int, typer.Option("--wake-timeout", metavar="SECONDS", min=1, help="How long it may take to wake.")
    ] = 900
    prometheus: Annotated[
        str | None,
        typer.Option(
            "--prometheus", metavar="URL", help="Ask this Prometheus, not the one in the cluster that KEDA asks."
        ),
    ] = None
    prometheus_token: Annotated[
        str | None,
        typer.Option("--prometheus-token", metavar="file:PATH|env:NAME", help="Its bearer token, by reference only."),
    ] = None
    explain: Annotated[
        str | None,
        typer.Option(
            "--explain",
            metavar="CODE",
            help="Show what a proof claims and reads, and leave; 'all' lists them.",
            is_eager=True,
            callback=_explain,
            autocompletion=complete.proofs,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ProofOutput:
    """How the report is shown."""

    output: Annotated[ProofFormat, typer.Option("--output", "-o", help="How the report is written.")] = ProofFormat.TEXT
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Write the report into this file.")] = None
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also everything that was read, and what does not apply.")
    ] = False
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the report and errors.")] = False
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when llmdctl itself fails.")] = False


@declared(VerifyOptions, ClusterOptions, ProofOutput)
def run(asked: VerifyOptions, cluster: ClusterOptions, shown: ProofOutput) -> None:
    """Prove that a release does what it was installed for. Sends at most 24 small requests; changes nothing."""
    from llmdctl.release import verify as use_case
    from llmdctl.release.verify import wording

    use(OutputChoice(shown.output.of_errors, shown.quiet, shown.debug))
    claims = use_case.selected(asked.only, asked.skip)
    report = use_case.verify(
        asked.release, asked.namespace, helm=doors.open_helm(cluster), cluster=doors.open_cluster(cluster),
        claims=claims, long=asked.long, budget=asked.requests, request_s=float(asked.timeout),
        prometheus=_prometheus(asked), wake_s=float(asked.wake_timeout) if asked.wake else None, report=say,
    )  # fmt: skip
    text = _written(report, shown, strict=asked.strict)
    if shown.to is None:
        write_text(text)
    else:
        replace_file(shown.to, text)
        say(f"{wording.tally(report)}; {wording.effort(report)}.")
        say(f"{wording.verdict(report)} The report is in {shown.to}.")
    raise typer.Exit(wording.exit_code(report, strict=asked.strict))


def _prometheus(asked: VerifyOptions) -> Ask | None:
    from llmdctl.errors import UsageError
    from llmdctl.prometheus import over_http, token_from

    if asked.prometheus is None:
        if asked.prometheus_token is not None:
            raise UsageError("--prometheus-token is for a Prometheus that is named", remedy="Add --prometheus URL.")
        return None
    token = token_from(asked.prometheus_token) if asked.prometheus_token else None
    return over_http(asked.prometheus, token=token)


def _written(report: VerifyReport, shown: ProofOutput, *, strict: bool) -> str:
    match shown.output:
        case ProofFormat.JSON | ProofFormat.YAML:
            return as_text(_result(report, strict=strict), shown.output.of_errors)
        case ProofFormat.JUNIT:
            from llmdctl.release.verify.junit import junit

            return junit(report, strict=strict)
        case ProofFormat.TEXT:
            from llmdctl.cli.views import proofs as view

            width = columns() if shown.to is None else None
            return "\n".join(view.lines(report, verbose=shown.verbose, width=width)) + "\n"


def _result(report: VerifyReport, *, strict: bool) -> results.Verification:
    from llmdctl import __version__
    from llmdctl.cli import results
    from llmdctl.release.verify import wording

    return results.Verification(
        release=report.release, namespace=report.namespace, recipe=report.recipe, revision=report.revision,
        server=report.server, llmdctl=__version__, verdict=wording.verdict(report),
        exit_code=wording.exit_code(report, strict=strict), counts=report.counts, entrance=report.entrance,
        asleep=report.asleep, requests=report.requests, budget=report.budget, seconds=report.seconds,
        proofs=report.proofs,
    )  # fmt: skip
