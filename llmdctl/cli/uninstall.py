"""`llmdctl uninstall`: remove a release and nothing else, after showing what goes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from llmdctl.cli import doors
from llmdctl.cli.declared import declared
from llmdctl.cli.options import ClusterOptions, NamespaceOptions, OutputOptions
from llmdctl.cli.output import say, use, write_result
from llmdctl.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class UninstallOptions(NamespaceOptions):
    """Which release, and how much."""

    name: Annotated[str, typer.Argument(help="Name of the release.")]
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
    remove_crds: Annotated[
        bool,
        typer.Option("--remove-crds", help="Also remove the CRDs that llmdctl applied, where nothing uses them."),
    ] = False
    timeout: Annotated[int, typer.Option("--timeout", metavar="SECONDS", min=1, help="Limit of the wait.")] = 300


@declared(UninstallOptions, ClusterOptions, OutputOptions)
def run(asked: UninstallOptions, cluster: ClusterOptions, output: OutputOptions) -> None:
    """Remove a release. Shows what will go first; CRDs, controllers and other shared things stay."""
    from llmdctl import release
    from llmdctl.cli import results
    from llmdctl.cli.progress import progress
    from llmdctl.cli.views import releases as view

    use(output)
    helm, kube = doors.open_helm(cluster), doors.open_cluster(cluster)
    found = release.inventory(asked.name, asked.namespace, helm=helm, cluster=kube)
    if found.helm_status == "not-found" and not (found.objects or found.pods):
        raise UsageError(
            f"There is no release {asked.name} in namespace {asked.namespace}.",
            remedy="llmdctl status -A lists all releases.",
        )
    say(view.inventory(asked.name, asked.namespace, found))
    _confirm(asked)
    with progress() as report:
        done = release.uninstall(
            asked.name,
            asked.namespace,
            helm=helm,
            cluster=kube,
            timeout_s=float(asked.timeout),
            remove_crds=asked.remove_crds,
            seen=found,
            report=report,
        )
    result = results.Uninstall(
        name=asked.name,
        namespace=asked.namespace,
        removed=tuple(str(key) for key in done.removed),
        kept=tuple(str(thing) for thing in done.kept),
    )
    write_result(result, view.uninstalled(result))


def _confirm(asked: UninstallOptions) -> None:
    """Ask at a terminal; elsewhere --yes must say it. Raises UsageError where nobody can be asked."""
    if asked.yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("Nobody can be asked here whether to remove it.", remedy="Add --yes.")
    typer.confirm(f"Remove {asked.name} from {asked.namespace}?", abort=True, err=True)
