"""A verb takes dataclasses; typer sees their fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import typer
from typer.testing import CliRunner

from llmdctl.cli.declared import declared


@dataclass(frozen=True, kw_only=True)
class Target:
    name: Annotated[str, typer.Argument()]
    words: Annotated[list[str], typer.Option("--word")] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Loudness:
    loud: Annotated[bool, typer.Option("--loud")] = False


def app() -> typer.Typer:
    made = typer.Typer()

    @made.command()
    @declared(Target, Loudness)
    def greet(target: Target, loudness: Loudness) -> None:
        """Greet somebody."""
        text = " ".join([target.name, *target.words])
        typer.echo(text.upper() if loudness.loud else text)

    return made


def test_fields_become_parameters() -> None:
    result = CliRunner().invoke(app(), ["ada", "--word", "x", "--word", "y", "--loud"])
    assert (result.exit_code, result.stdout) == (0, "ADA X Y\n")


def test_defaults_hold_and_lists_are_not_shared() -> None:
    made = app()
    assert CliRunner().invoke(made, ["ada", "--word", "x"]).stdout == "ada x\n"
    assert CliRunner().invoke(made, ["ada"]).stdout == "ada\n"


def test_a_missing_argument_is_a_usage_error() -> None:
    assert CliRunner().invoke(app(), []).exit_code == 2


def test_help_shows_the_verbs_docstring_and_the_options() -> None:
    text = CliRunner().invoke(app(), ["--help"]).stdout
    assert "Greet somebody." in text
    assert "--loud" in text
