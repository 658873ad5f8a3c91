"""`llmdctl status`: a release as it is now, or all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from llmdctl.cli import doors
from llmdctl.cli.declared import declared
from llmdctl.cli.options import ClusterOptions, NamespaceOptions, OutputOptions
from llmdctl.cli.output import use, write_result
from llmdctl.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class StatusOptions(NamespaceOptions):
    """Which release."""

    name: Annotated[str | None, typer.Argument(help="Name of the release; all of the namespace unless given.")] = None
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A", help="List every namespace.")] = False


@declared(StatusOptions, ClusterOptions, OutputOptions)
def run(asked: StatusOptions, cluster: ClusterOptions, output: OutputOptions) -> None:
    """Show a release: its objects, its pods and the address to talk to. Without a name, list releases."""
    from llmdctl import release
    from llmdctl.cli import results
    from llmdctl.cli.views import releases as view

    use(output)
    if asked.name is None:
        found = release.releases(doors.open_cluster(cluster), None if asked.all_namespaces else asked.namespace)
        listed = results.ReleaseList(releases=tuple(view.summary(revision) for revision in found))
        write_result(listed, view.listing(listed))
        return
    state = release.status(
        asked.name, asked.namespace, helm=doors.open_helm(cluster), cluster=doors.open_cluster(cluster)
    )
    if state.helm_status == "not-found":
        raise UsageError(
            f"There is no release {asked.name} in namespace {asked.namespace}.",
            remedy="llmdctl status -A lists all releases.",
        )
    write_result(state, view.page(state))
