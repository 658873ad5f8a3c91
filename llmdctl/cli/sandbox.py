"""`llmdctl sandbox`: a real control plane on this machine with simulated nodes or a real one, to try any recipe."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from llmdctl.cli import composing, faults, sandbox_images
from llmdctl.cli.declared import declared
from llmdctl.cli.options import CatalogOptions, OutputOptions, SandboxName
from llmdctl.cli.output import say, use, write_result

if TYPE_CHECKING:
    from llmdctl.sandbox import RealNode, SandboxStatus, SimulatedNodes

_DEFAULT_NODES = "h200=2,cpu=1"
_DEFAULT_REAL = "h200=16"  # two machines' worth: what pd-disaggregation asks for as it stands

app = typer.Typer(
    help="A real control plane on this machine, with simulated nodes or one real node that runs containers.",
    no_args_is_help=True,
)
app.add_typer(faults.app, name="fault")
app.command("images")(sandbox_images.images)


class NodeKind(StrEnum):
    """Of which sort an additional node is."""

    REAL = "real"


@dataclass(frozen=True, kw_only=True)
class UpOptions(CatalogOptions):
    """Which nodes, and what beside them."""

    nodes: Annotated[
        str | None,
        typer.Option(
            metavar="KIND=N,...",
            help="Simulated nodes by accelerator facet, such as h200=2,l4=4,cpu=1. "
            "Default: h200=2,cpu=1, or none beside a real node.",
        ),
    ] = None
    node: Annotated[
        NodeKind | None, typer.Option(help="Add one node that really runs containers (Linux, as root).")
    ] = None
    real: Annotated[
        str | None,
        typer.Option(
            metavar="KIND[=DEVICES]",
            help="What the real node claims to be, by accelerator facet; implies --node real. Default: h200=16.",
        ),
    ] = None
    extras: Annotated[
        str, typer.Option("--with", metavar="NAME,...", help="What runs beside it: keda, prometheus.")
    ] = ""


@dataclass(frozen=True, kw_only=True)
class ForwardOptions:
    """Which service, and where it is to answer."""

    service: Annotated[str, typer.Argument(metavar="SERVICE[:PORT]", help="The service; its first port unless given.")]
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Namespace of the service.")] = "default"
    to: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; any free one unless given.")] = 0


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
    real = _real(asked)
    extras = use_cases.parse_extras(asked.extras)
    _write(use_cases.up(sandbox.name, nodes=_nodes(asked, real), real=real, extras=extras, report=say))


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


@app.command("values")
@declared(SandboxName)
def values(sandbox: SandboxName) -> None:
    """Print the path of the values that name a real node's images, for `-f "$(llmdctl sandbox values)"`."""
    from llmdctl import sandbox as use_cases

    sys.stdout.write(f"{use_cases.values(sandbox.name)}\n")


@app.command("forward")
@declared(ForwardOptions, SandboxName)
def forward(asked: ForwardOptions, sandbox: SandboxName) -> None:
    """Let a service of a real node answer on this machine until interrupted, and print its address."""
    import threading

    from llmdctl import sandbox as use_cases
    from llmdctl.errors import UsageError

    service, separator, port = asked.service.partition(":")
    if separator and not port.isdecimal():
        raise UsageError(f"'{port}' is not a port", remedy="Write SERVICE:PORT, such as llmd-proxy:8080.")
    number = int(port) if port else None
    with use_cases.forwarded(sandbox.name, asked.namespace, service, number, to=asked.to) as address:
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()
        threading.Event().wait()


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
    found = programs.gather(programs.CATALOG, report=say).values()
    programs.crds(report=say)
    made = tuple(
        results.PreparedProgram(name=p.name, version=str(p.version), path=str(p.path), origin=p.origin.value)
        for p in found
    )
    rows = "\n".join(f"{p.name:<24} {p.version:<10} {p.origin:<10} {p.path}" for p in made)
    write_result(results.Prepared(programs=made), rows)


def _nodes(asked: UpOptions, real: RealNode | None) -> list[SimulatedNodes]:
    """The nodes asked for, each shaped by its accelerator's facet. Raises RecipeError for an unknown facet."""
    from llmdctl.sandbox import SimulatedNodes, parse_counts

    if asked.nodes is None and real is not None:
        return []
    catalog = composing.load_catalog(asked)
    return [
        SimulatedNodes(accelerator=name, count=count, template=catalog.facet("accelerator", name).node)
        for name, count in parse_counts(asked.nodes or _DEFAULT_NODES).items()
    ]


def _real(asked: UpOptions) -> RealNode | None:
    """The real node asked for. Raises RecipeError for an unknown facet."""
    from llmdctl.sandbox import parse_real, real_node

    if asked.node is None and asked.real is None:
        return None
    name, devices = parse_real(asked.real or _DEFAULT_REAL)
    facet = composing.load_catalog(asked).facet("accelerator", name)
    return real_node(name, devices, template=facet.node, resource=str(facet.facts.get("resource", "")))


def _write(status: SandboxStatus) -> None:
    from llmdctl.cli.views import sandboxes as view

    write_result(status, view.page(status))
