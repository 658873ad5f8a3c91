"""`llmdctl version`: this program and the Helm engines it would use."""

from __future__ import annotations

import platform as machine
from typing import TYPE_CHECKING

from llmdctl import __version__
from llmdctl.cli.declared import declared
from llmdctl.cli.options import OutputOptions
from llmdctl.cli.output import use, write_result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmdctl.cli import results


@declared(OutputOptions)
def run(output: OutputOptions) -> None:
    """Show the version of llmdctl and the Helm engines it uses."""
    from llmdctl.cli import results

    use(output)
    engines = tuple(_engines())
    lines = [f"llmdctl {__version__} (Python {machine.python_version()})"]
    lines += [f"{engine.name} {engine.version}" + (f" ({engine.path})" if engine.path else "") for engine in engines]
    if not any(engine.path for engine in engines):
        lines.append("helm: none found yet; the first command that changes a cluster fetches or builds it")
    result = results.Version(version=__version__, python=machine.python_version(), helm=engines)
    write_result(result, "\n".join(lines))


def _engines() -> Iterator[results.HelmEngine]:
    """The embedded engine where it is installed, and the program where it is at hand; nothing is fetched or built."""
    from llmdctl import helm, programs
    from llmdctl.cli import results

    if helm.embedded_installed():
        embedded = helm.open_renderer().engine
        yield results.HelmEngine(name=embedded.name, version=embedded.version, path=None)
    if program := programs.locate("helm"):
        yield results.HelmEngine(name="helm", version=str(program.version), path=str(program.path))
