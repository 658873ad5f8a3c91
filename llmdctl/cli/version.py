"""`llmdctl version`: this program, the Helm engines it would use, and the pinned versions of everything else."""

from __future__ import annotations

import platform as machine

from llmdctl import __version__
from llmdctl.cli.declared import declared
from llmdctl.cli.options import OutputOptions
from llmdctl.cli.output import use, write_result


@declared(OutputOptions)
def run(output: OutputOptions) -> None:
    """Show the versions of llmdctl and of the Helm engines it uses."""
    from llmdctl.helm import engines

    use(output)
    found = engines()
    lines = [f"llmdctl {__version__} (Python {machine.python_version()})"]
    lines += [f"helm    {engine.version} ({engine.name}): {engine.purpose}" for engine in found]
    write_result(
        "Version", {"version": __version__, "python": machine.python_version(), "helm": found}, "\n".join(lines)
    )
