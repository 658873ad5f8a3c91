"""`llmdctl doctor`: which hop between a client and a model is broken, and what mends it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmdctl.cli import doors
from llmdctl.cli.declared import declared
from llmdctl.cli.options import ClusterOptions, NamespaceOptions, OutputOptions
from llmdctl.cli.output import say, use, write_result
from llmdctl.errors import UsageError

if TYPE_CHECKING:
    from llmdctl.model.hop import Diagnosis
    from llmdctl.release.doctor import Scene


@dataclass(frozen=True, kw_only=True)
class DoctorOptions(NamespaceOptions):
    """Which chains, and how far to go."""

    release: Annotated[
        str | None, typer.Argument(help="Name of a release; every InferencePool of the namespace unless given.")
    ] = None
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Look at every namespace.")] = False
    pool: Annotated[str, typer.Option("--pool", metavar="NAME", help="Look at the chain to this pool only.")] = ""
    model: Annotated[
        str, typer.Option("--model", metavar="NAME", help="Ask for this model; the first that is served unless given.")
    ] = ""
    no_request: Annotated[
        bool, typer.Option("--no-request", help="Send no request; otherwise one of one token a chain.")
    ] = False
    timeout: Annotated[int, typer.Option("--timeout", metavar="SECONDS", min=1, help="Limit of that request.")] = 60
    support_bundle: Annotated[
        Path | None,
        typer.Option(
            "--support-bundle", metavar="FILE.tar.gz", help="Also write what was seen into a file, without secrets."
        ),
    ] = None


@declared(DoctorOptions, ClusterOptions, OutputOptions)
def run(asked: DoctorOptions, cluster: ClusterOptions, output: OutputOptions) -> None:
    """Walk from a client to the model and stop at the first broken hop. Says what it saw and what mends it."""
    from llmdctl.cli.views import doctor as view
    from llmdctl.release import doctor

    use(output)
    door = doors.open_cluster(cluster)
    namespace, release = "" if asked.all_namespaces else asked.namespace, asked.release or ""
    scene = doctor.observe(
        door, namespace=namespace, release=release, pool=asked.pool, model=asked.model, request=not asked.no_request,
        timeout_s=float(asked.timeout),
    )  # fmt: skip
    found = doctor.diagnose(scene, namespace=namespace, release=release, pool=asked.pool, model=asked.model)
    if not found.chains:
        raise _nothing(asked, scene)
    if asked.support_bundle is not None:
        say(f"Wrote {_bundle(asked, cluster, scene, found)}.")
    write_result(found, view.page(found))
    if found.exit_code:
        raise typer.Exit(found.exit_code)


def _bundle(asked: DoctorOptions, cluster: ClusterOptions, scene: Scene, found: Diagnosis) -> Path:
    from llmdctl.release import bundle

    assert asked.support_bundle is not None, "only with --support-bundle"
    door = doors.open_cluster(cluster)
    reports, unread = bundle.proved(
        door, lambda: doors.open_helm(cluster), scene, found, request=not asked.no_request
    )  # fmt: skip
    return bundle.write(asked.support_bundle, door=door, scene=scene, diagnosis=found, more=reports, unread=unread)


def _nothing(asked: DoctorOptions, scene: Scene) -> UsageError:
    """No chain at all: nothing there, or nothing of that name, or no right to see it."""
    refused = scene.hidden("InferencePool")
    where = "in any namespace" if asked.all_namespaces else f"in namespace {asked.namespace}"
    if refused is not None and refused.right:
        return UsageError(
            f"No InferencePool can be seen {where}: {refused.message}",
            remedy=f"Ask an administrator for the right to {refused.right}.",
        )
    there = sorted(f"{pool.namespace}/{pool.name}" for pool in scene.of("InferencePool"))
    named = asked.pool or asked.release
    if named and there:
        return UsageError(f"No chain {where} is of {named}.", remedy=f"There are the pools {', '.join(there)}.")
    return UsageError(
        f"There is no InferencePool {where}, and no route that leads to one.",
        remedy="llmdctl status -A lists releases; llmdctl doctor -A looks in every namespace.",
    )
