"""The command line: the only place that imports typer and rich, and the only one that prints."""

from llmdctl.cli.app import main

__all__ = ["main"]
