"""`llmdctl sandbox fault`: make something go wrong on purpose, to see how waiting and failing look."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from llmdctl.cli.declared import declared
from llmdctl.cli.options import OutputOptions, SandboxName
from llmdctl.cli.output import use, write_result
from llmdctl.errors import UsageError

if TYPE_CHECKING:
    from llmdctl.sandbox import Fault

app = typer.Typer(help="Make something go wrong on purpose.", no_args_is_help=True)


class Kind(StrEnum):
    """What can go wrong; the names are those of `sandbox.FaultKind`."""

    CRASH_LOOP = "crash-loop"
    IMAGE_PULL = "image-pull"
    NODE_NOT_READY = "node-not-ready"


@dataclass(frozen=True, kw_only=True)
class FaultOptions:
    """What is struck."""

    kind: Annotated[Kind, typer.Argument(help="What goes wrong.")]
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Pods of this namespace.")] = ""
    pod: Annotated[str, typer.Option(help="The pod of this name.")] = ""
    label: Annotated[
        list[str], typer.Option("--label", "-l", metavar="KEY=VALUE", help="Pods with this label; may be repeated.")
    ] = field(default_factory=list)
    node: Annotated[str, typer.Option(help="The node, for node-not-ready.")] = ""
    container: Annotated[str, typer.Option(help="The container that fails; the first one unless given.")] = ""
    log: Annotated[list[str], typer.Option(metavar="LINE", help="What it logs; may be repeated.")] = field(
        default_factory=list
    )


@dataclass(frozen=True, kw_only=True)
class FaultName:
    """Which fault."""

    fault: Annotated[str | None, typer.Argument(metavar="[FAULT]", help="The fault; all of them unless given.")] = None


@app.command("set")
@declared(FaultOptions, SandboxName, OutputOptions)
def set_fault(asked: FaultOptions, sandbox: SandboxName, output: OutputOptions) -> None:
    """Let pods crash-loop or hang in image pull, or a node go away; later pods that match are struck too."""
    from llmdctl import sandbox as use_cases

    use(output)
    made = use_cases.fault(
        sandbox.name,
        use_cases.FaultKind(asked.kind.value),
        namespace=asked.namespace,
        pod=asked.pod,
        labels=_labels(asked.label),
        node=asked.node,
        container=asked.container,
        log=tuple(asked.log),
    )
    _write(sandbox.name, (made,))


@app.command("list")
@declared(SandboxName, OutputOptions)
def list_faults(sandbox: SandboxName, output: OutputOptions) -> None:
    """List the faults that are set."""
    from llmdctl import sandbox as use_cases

    use(output)
    _write(sandbox.name, use_cases.faults(sandbox.name))


@app.command("clear")
@declared(FaultName, SandboxName, OutputOptions)
def clear(asked: FaultName, sandbox: SandboxName, output: OutputOptions) -> None:
    """Clear one fault or all, and wait until what they struck has recovered."""
    from llmdctl import sandbox as use_cases

    use(output)
    _write(sandbox.name, use_cases.clear_faults(sandbox.name, asked.fault))


def _labels(pairs: list[str]) -> dict[str, str]:
    """`KEY=VALUE` pairs. Raises UsageError for one without an equals sign."""
    for pair in pairs:
        if "=" not in pair:
            raise UsageError(f"'{pair}' is no label.", remedy="Write --label KEY=VALUE.")
    return dict(pair.split("=", 1) for pair in pairs)


def _write(sandbox: str, faults: tuple[Fault, ...]) -> None:
    from llmdctl.cli import results
    from llmdctl.cli.views import sandboxes as view

    shown = tuple(
        results.SandboxFault(
            name=fault.name,
            fault=fault.kind.value,
            namespace=fault.namespace,
            pod=fault.pod,
            labels=fault.labels,
            node=fault.node,
        )
        for fault in faults
    )
    write_result(results.SandboxFaults(sandbox=sandbox, faults=shown), view.faults(shown))
