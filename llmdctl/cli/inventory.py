"""`llmdctl inventory`: a cluster as checks read it, captured once into a file; and its nodes for people."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from llmdctl.cli import composing, doors
from llmdctl.cli.declared import declared
from llmdctl.cli.options import CatalogOptions, ClusterOptions, NamespaceOptions, OutputOptions
from llmdctl.cli.output import Format, console, replace_file, say, session, use, write_json, write_result
from llmdctl.errors import ClusterError, UsageError

if TYPE_CHECKING:
    from llmdctl.model.inventory import Inventory

app = typer.Typer(
    help="Capture what checks read of a cluster into a file, to judge it elsewhere; or list its nodes.",
)

_OF_NODES: Final = frozenset(
    {"nodes", "pods", "resource-slices", "device-classes", "resource-claims", "namespaces", "leases", "csi-nodes"}
)


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """Which cluster: a live one, or one that was captured."""

    inventory: Annotated[
        Path | None,
        typer.Option(
            "--inventory", metavar="FILE", help="Read this inventory (or kubectl output) instead of a cluster."
        ),
    ] = None
    timeout: Annotated[
        int, typer.Option("--timeout", metavar="SECONDS", min=1, help="Limit for reading the cluster.")
    ] = 120


@dataclass(frozen=True, kw_only=True)
class CaptureOptions(SourceOptions):
    """Where to, and with which names."""

    context_of_run: typer.Context
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Write the inventory here instead of to stdout.")
    ] = None
    redact: Annotated[
        bool,
        typer.Option(
            "--redact", help="Put pseudonyms for names of nodes, namespaces, pods, secrets, users, server, registries."
        ),
    ] = False


@app.callback(invoke_without_command=True)
@declared(CaptureOptions, NamespaceOptions, ClusterOptions, OutputOptions)
def capture(asked: CaptureOptions, place: NamespaceOptions, cluster: ClusterOptions, output: OutputOptions) -> None:
    """Capture what checks read of a cluster into a file, to judge it elsewhere; or list its nodes."""
    from llmdctl.model.inventory_file import document, lines, redact

    if asked.context_of_run.invoked_subcommand is not None:
        return
    use(output)
    taken = _taken(asked, cluster, namespace=place.namespace, sections=None)
    if asked.redact:
        taken = redact(taken)
    if asked.to is not None:
        replace_file(asked.to, lines(taken))
        _summary(taken, asked.to)
    elif session.format is Format.JSON:
        write_json(document(taken))
    else:
        sys.stdout.writelines(lines(taken))
    _unread(taken)


@app.command("nodes")
@declared(SourceOptions, CatalogOptions, ClusterOptions, OutputOptions)
def nodes(asked: SourceOptions, catalog: CatalogOptions, cluster: ClusterOptions, output: OutputOptions) -> None:
    """Show each node: its accelerators, how many are free, its RDMA, and what speaks against using it."""
    from llmdctl.cli import results
    from llmdctl.cli.views import inventory as view
    from llmdctl.preflight import Case, summaries
    from llmdctl.preflight.verdict import UnknowableError

    use(output)
    with ThreadPoolExecutor(max_workers=1) as aside:  # a third of a second that passes while the server answers
        facts = aside.submit(lambda: composing.accelerators(composing.load_catalog(catalog)))
        taken = _taken(asked, cluster, namespace="", sections=_OF_NODES)
        accelerators = facts.result()
    try:
        found = summaries(Case(inventory=taken, accelerators=accelerators))
    except UnknowableError as cause:
        if asked.inventory is not None:
            raise UsageError(f"{asked.inventory} does not say which nodes there are: {cause}") from cause
        remedy = "Ask an administrator for the right to list nodes, or for an inventory."
        raise ClusterError(f"the nodes are not known: {cause}", remedy=remedy) from cause
    listed = results.NodeList(nodes=found)
    write_result(listed, view.nodes(listed) if found else "There are no nodes.")
    _unread(taken)


def _taken(
    asked: SourceOptions, cluster: ClusterOptions, *, namespace: str, sections: frozenset[str] | None
) -> Inventory:
    """The inventory of the options. Raises the door's errors where nothing can be asked."""
    if asked.inventory is not None:
        from llmdctl.model.inventory_file import load

        return load(asked.inventory)
    from llmdctl.kube import capture as capture_from
    from llmdctl.release import client_section

    opened = doors.open_cluster(cluster)
    with ThreadPoolExecutor(max_workers=1) as aside:
        client = aside.submit(
            client_section, kubeconfig=cluster.kubeconfig, context=cluster.context, is_terminal=console().is_terminal
        )
        taken = capture_from(opened, namespace=namespace, sections=sections, timeout_s=float(asked.timeout), report=say)
        context, about = client.result()
    return replace(taken, context=context, sections={"client": about, **taken.sections})


def _summary(taken: Inventory, file: Path) -> None:
    from llmdctl.cli import results
    from llmdctl.cli.views import inventory as view
    from llmdctl.model.check import SectionSummary

    shown = results.InventorySummary(
        file=str(file),
        server=taken.server,
        context=taken.context,
        captured_at=taken.captured_at,
        redacted=taken.redacted,
        sections=tuple(
            SectionSummary(name=name, seen=found.seen.value, items=len(found.items), reason=found.reason)
            for name, found in taken.sections.items()
        ),
    )
    write_result(shown, view.summary(shown))


def _unread(taken: Inventory) -> None:
    """Say what is not known, or not all of it."""
    for name, found in taken.sections.items():
        if found.reason and found.seen.value not in ("absent", "not-served"):
            say(f"{name}: {found.seen.value}: {found.reason}")
