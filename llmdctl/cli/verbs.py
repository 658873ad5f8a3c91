"""The verbs by name. The module of a verb is imported when a command line names it: reading the options of every verb
costs more than most verbs need to start, and `--help` shows no more than a line of each.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

SUMMARIES: Final = {
    "render": "Render a recipe: its manifests on stdout, or a folder for plain helm with --to.",
    "lint": (
        "Find mistakes in manifests, ours or not: engine flags, scheduler, ports, pairs, scalers. Installs nothing."
    ),
    "preflight": ("Check whether this cluster can carry a recipe: capacity, hardware, CRDs, rights. Changes nothing."),
    "inventory": "Capture what checks read of a cluster into a file, to judge it elsewhere; or list its nodes.",
    "install": (
        "Install a recipe. Run it again to change it: the first install and every later one are the same command."
    ),
    "diff": "Show what an install with these options would change; exit code 10 when there is a difference.",
    "status": "Show a release: its objects, its pods and the address to talk to. Without a name, list releases.",
    "verify": "Prove that a release does what it was installed for. Sends at most 24 small requests; changes nothing.",
    "doctor": ("Walk from a client to the model and stop at the first broken hop. Says what it saw and what mends it."),
    "uninstall": "Remove a release. Shows what will go first; CRDs, controllers and other shared things stay.",
    "version": "Show the version of llmdctl and the Helm engines it uses.",
    "recipe": "The well-lit paths: list, show, validate, explain, model.",
    "sandbox": "A real control plane on this machine, with simulated nodes or one real node that runs containers.",
}
"""What `llmdctl --help` says of each verb, in its order. The help of the verb itself begins with the same."""


class LazyVerbs(TyperGroup):
    """The root command: it knows the names of its verbs, and loads the one that a command line names."""

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - what typer gives any group
        super().__init__(**given)
        self.commands = {name: TyperCommand(name, help=summary) for name, summary in SUMMARIES.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - typer keeps these types to itself
        """The verb that a command line names, with its options; also asked by shell completion."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, load(name) if name is not None and found else None, rest


@cache  # a test, or whoever calls `main` more than once, reads the options of a verb once
def load(name: str) -> Any:  # noqa: ANN401 - typer keeps this type to itself
    """A verb with its options: `run` of its module, or `app` where the verb is a group of verbs."""
    module = import_module(f"llmdctl.cli.{name}")
    app = typer.Typer(add_completion=False)
    if hasattr(module, "app"):
        return typer.main.get_group(module.app)
    app.command(name)(module.run)
    return typer.main.get_command(app)
