"""`llmdctl install`: install a recipe, or bring an installed one to what the command line says."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from llmdctl.cli import complete, composing, doors, judging
from llmdctl.cli.ahead import read_ahead
from llmdctl.cli.declared import declared
from llmdctl.cli.options import ClusterOptions, OutputOptions, RecipeOptions, ReleaseOptions
from llmdctl.cli.output import Format, session, use, write_result

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from threading import Thread

    from llmdctl.cli import results
    from llmdctl.kube import Cluster, KubernetesObject
    from llmdctl.model.recipe import Recipe
    from llmdctl.model.release import ReleaseSpec
    from llmdctl.recipe import Catalog
    from llmdctl.release import DryRun, InstallResult
    from llmdctl.release import InstallOptions as Settings
    from llmdctl.release.events import Event, Reporter
    from llmdctl.release.installing import Gate


class DryRunMode(StrEnum):
    """Who is asked when nothing is to be changed."""

    NONE = "none"
    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, kw_only=True)
class InstallOptions:
    """How to install."""

    dry_run: Annotated[
        DryRunMode,
        typer.Option("--dry-run", help="client: only render; server: also ask the API server; nothing is changed."),
    ] = DryRunMode.NONE
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until everything is ready.")] = True
    timeout: Annotated[
        int | None,
        typer.Option(
            "--timeout", metavar="SECONDS", min=1, help="Limit of the wait; the recipe's startup budget unless given."
        ),
    ] = None
    with_prerequisites: Annotated[
        bool,
        typer.Option("--with-prerequisites", help="Also install missing CRDs and controllers, at pinned versions."),
    ] = False
    take_ownership: Annotated[
        bool, typer.Option("--take-ownership", help="Adopt objects of the same name that no release owns.")
    ] = False
    force_conflicts: Annotated[
        bool, typer.Option("--force-conflicts", help="Take fields over from other field managers.")
    ] = False
    ignore: Annotated[
        list[str],
        typer.Option(
            "--ignore",
            metavar="CODE",
            help="Go on when this check of preflight fails; may be repeated.",
            autocompletion=complete.checks,
        ),
    ] = field(default_factory=list)


@declared(RecipeOptions, ReleaseOptions, InstallOptions, ClusterOptions, OutputOptions)
def run(
    recipe: RecipeOptions,
    release: ReleaseOptions,
    installing: InstallOptions,
    cluster: ClusterOptions,
    output: OutputOptions,
) -> None:
    """Install a recipe. Run it again to change it: the first install and every later one are the same command."""
    from llmdctl.helm import EMBEDDED_LIBRARY

    use(output)
    read_ahead(EMBEDDED_LIBRARY)
    catalog = composing.load_catalog(recipe)
    composed = composing.compose(recipe, release, catalog=catalog)
    spec = composing.build(composed, recipe, release)
    gate = _gate(composed, catalog, recipe, installing)
    settings = _options(recipe, release, installing, gate)
    if installing.dry_run is DryRunMode.NONE:
        _install(spec, settings, cluster)
    else:
        _dry_run(spec, settings, installing.dry_run, cluster)


def _options(recipe: RecipeOptions, release: ReleaseOptions, installing: InstallOptions, gate: Gate | None) -> Settings:
    from functools import partial

    from llmdctl import release as use_cases

    return use_cases.InstallOptions(
        timeout_s=None if installing.timeout is None else float(installing.timeout),
        wait=installing.wait,
        with_prerequisites=installing.with_prerequisites,
        namespace_only=release.namespace_only,
        take_ownership=installing.take_ownership,
        force_conflicts=installing.force_conflicts,
        crds=doors.pinned_crds,
        judge=partial(judging.judge, force=recipe.force),
        gate=gate,
    )


def _gate(composed: Recipe, catalog: Catalog, recipe: RecipeOptions, installing: InstallOptions) -> Gate | None:
    """Preflight before the first change; a dry run changes nothing, and `preflight` says more than it would."""
    if installing.dry_run is not DryRunMode.NONE:
        return None
    ignored: Collection[str] = ()
    if installing.ignore:
        from llmdctl.release import gating

        ignored = gating.known(installing.ignore)

    def gate(cluster: Cluster, spec: ReleaseSpec, objects: Sequence[KubernetesObject], report: Reporter) -> ReleaseSpec:
        from functools import partial

        from llmdctl.release import gating  # every check there is, and by now it has been read

        asked = gating.Gate(
            recipe=composed,
            accelerators=partial(composing.accelerators, catalog),
            ignored=ignored,
            force=recipe.force,
            furnishing=installing.with_prerequisites,
            platform=recipe.platform,
        )
        return asked(cluster, spec, objects, report)

    return gate


def _reading_ahead(report: Reporter) -> Reporter:
    """What the next steps need is read while the cluster and Helm are at work."""
    from llmdctl.release.events import Phase, PhaseFinished, PhaseStarted

    shown = ("llmdctl.cli.views.releases", "rich.table") if session.format is Format.TEXT else ("llmdctl.cli.results",)
    wanted = {Phase.CHECK: ("llmdctl.lint", "llmdctl.release.gating"), Phase.RELEASE: shown}
    begun: dict[Phase, Thread] = {}

    def told(event: Event) -> None:
        if isinstance(event, PhaseStarted) and event.phase in wanted:
            begun[event.phase] = read_ahead(*wanted[event.phase])
        elif isinstance(event, PhaseFinished) and event.phase in begun:
            begun[event.phase].join()
        report(event)

    return told


def _install(spec: ReleaseSpec, settings: Settings, cluster: ClusterOptions) -> None:
    from llmdctl.cli.progress import progress
    from llmdctl.cli.views import releases as view
    from llmdctl.helm import open_renderer
    from llmdctl.release import install

    with progress() as report:
        done = install(
            spec,
            helm=doors.open_helm(cluster),
            renderer=open_renderer(),
            cluster=doors.open_cluster(cluster),
            options=settings,
            report=_reading_ahead(report),
        )
    write_result(lambda: _result(spec, done), view.installed(done, spec))


def _dry_run(spec: ReleaseSpec, settings: Settings, mode: DryRunMode, cluster: ClusterOptions) -> None:
    from llmdctl import helm
    from llmdctl.cli.views import releases as view
    from llmdctl.release import dry_run

    if mode is DryRunMode.SERVER:
        tried = dry_run(
            spec,
            helm=doors.open_helm(cluster),
            renderer=helm.open_renderer(),
            cluster=doors.open_cluster(cluster),
            options=settings,
        )
    else:
        tried = dry_run(spec, renderer=helm.open_renderer(), options=settings)
    write_result(lambda: _trial(spec, tried), view.dry_run(tried, spec))


def _result(spec: ReleaseSpec, done: InstallResult) -> results.Install:
    from llmdctl.cli import results

    return results.Install(
        action=done.outcome,
        evidence=spec.evidence,
        facets=spec.facets,
        helm=doors.engine(done.engine),
        notes=done.notes,
        objects=(),
        release=done.status,
    )


def _trial(spec: ReleaseSpec, tried: DryRun) -> results.Install:
    from llmdctl.cli import results

    return results.Install(
        action="dry-run",
        evidence=spec.evidence,
        facets=spec.facets,
        helm=doors.engine(tried.rendered.engine),
        notes=tried.rendered.notes,
        objects=tuple(f"{change.action} {change.key}" for change in tried.changes),
        release=None,
    )
