"""Choosing an engine."""

from __future__ import annotations

from pathlib import Path

from llmdctl import programs
from llmdctl.helm.door import Helm, Renderer, Target
from llmdctl.helm.embedded import EmbeddedHelm, importable
from llmdctl.helm.program import HelmProgram


def open_helm(
    *,
    kubeconfig: Path | None = None,
    context: str | None = None,
    path: Path | None = None,
    report: programs.Reporter = programs.silent,
) -> Helm:
    """The helm program, found or made by `programs.find`; `path` names one. Raises ProgramError."""
    program = programs.find("helm", path=path, report=report)
    return HelmProgram(program=program, target=Target(kubeconfig=kubeconfig, context=context))


def open_renderer(*, path: Path | None = None, report: programs.Reporter = programs.silent) -> Renderer:
    """The embedded engine where it is installed, else the helm program; `path` asks for that program.

    Raises ProgramError when there is neither.
    """
    if path is None and importable():
        return EmbeddedHelm()
    return HelmProgram(program=programs.find("helm", path=path, report=report), target=Target())
