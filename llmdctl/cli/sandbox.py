"""`llmdctl sandbox`: a real control plane on this machine with simulated nodes, to try any recipe without a GPU."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from llmdctl.cli import composing, faults
from llmdctl.cli.declared import declared
from llmdctl.cli.options import CatalogOptions, OutputOptions, SandboxName
from llmdctl.cli.output import say, use, write_result

if TYPE_CHECKING:
    from llmdctl.sandbox import SandboxStatus, SimulatedNodes

app = typer.Typer(
    help="A real control plane on this machine with simulated nodes. No model is served in it yet.",
    no_args_is_help=True,
)
app.add_typer(faults.app, name="fault")


@dataclass(frozen=True, kw_only=True)
class UpOptions(CatalogOptions):
    """Which nodes."""

    nodes: Annotated[
        str,
        typer.Option(metavar="KIND=N,...", help="Simulated nodes by accelerator facet, such as h200=2,l4=4,cpu=1."),
    ] = "h200=2,cpu=1"


@dataclass(frozen=True, kw_only=True)
class LogOptions:
    """Which log, and how much of it."""

    component: Annotated[str, typer.Argument(help="Component, such as kube-scheduler, or audit.")] = "kube-apiserver"
    tail: Annotated[int | None, typer.Option(min=1, help="Only the last lines.")] = None


@app.command("up")
@declared(UpOptions, SandboxName, OutputOptions)
def up(asked: UpOptions, sandbox: SandboxName, output: OutputOptions) -> None:
    """Bring a sandbox up, or set the nodes of one that runs."""
    from llmdctl import sandbox as use_cases

    use(output)
    _write(use_cases.up(sandbox.name, nodes=_nodes(asked), report=say))


@app.command("down")
@declared(SandboxName, OutputOptions)
def down(sandbox: SandboxName, output: OutputOptions) -> None:
    """End a sandbox: no process and no file of it stays."""
    from llmdctl import sandbox as use_cases
    from llmdctl.cli import results

    use(output)
    found = use_cases.down(sandbox.name, report=say)
    write_result(
        results.SandboxDown(name=sandbox.name, found=found),
        f"{sandbox.name} is gone." if found else f"There is no sandbox {sandbox.name}.",
    )


@app.command("status")
@declared(SandboxName, OutputOptions)
def status(sandbox: SandboxName, output: OutputOptions) -> None:
    """Show a sandbox: processes, nodes, CRDs, kubeconfig."""
    from llmdctl import sandbox as use_cases

    use(output)
    _write(use_cases.status(sandbox.name))


@app.command("kubeconfig")
@declared(SandboxName)
def kubeconfig(sandbox: SandboxName) -> None:
    """Print the path of a sandbox's kubeconfig, for `export KUBECONFIG="$(llmdctl sandbox kubeconfig)"`."""
    from llmdctl import sandbox as use_cases

    sys.stdout.write(f"{use_cases.status(sandbox.name).kubeconfig}\n")


@app.command("logs")
@declared(LogOptions, SandboxName)
def logs(asked: LogOptions, sandbox: SandboxName) -> None:
    """Print the log of one component of a sandbox."""
    from llmdctl import sandbox as use_cases

    for line in use_cases.logs(sandbox.name, asked.component, tail=asked.tail):
        sys.stdout.write(f"{line}\n")


@app.command("prepare")
@declared(OutputOptions)
def prepare(output: OutputOptions) -> None:
    """Fetch or build every pinned program ahead of time, so that later commands start at once."""
    from llmdctl import programs
    from llmdctl.cli import results

    use(output)
    found = [programs.find(name, report=say) for name in programs.CATALOG]
    programs.crds(report=say)
    made = tuple(
        results.PreparedProgram(name=p.name, version=str(p.version), path=str(p.path), origin=p.origin.value)
        for p in found
    )
    rows = "\n".join(f"{p.name:<24} {p.version:<10} {p.origin:<10} {p.path}" for p in made)
    write_result(results.Prepared(programs=made), rows)


def _nodes(asked: UpOptions) -> list[SimulatedNodes]:
    """The nodes asked for, each shaped by its accelerator's facet. Raises RecipeError for an unknown facet."""
    from llmdctl.sandbox import SimulatedNodes, parse_counts

    catalog = composing.load_catalog(asked)
    return [
        SimulatedNodes(accelerator=name, count=count, template=catalog.facet("accelerator", name).node)
        for name, count in parse_counts(asked.nodes).items()
    ]


def _write(status: SandboxStatus) -> None:
    from llmdctl.cli.views import sandboxes as view

    write_result(status, view.page(status))
