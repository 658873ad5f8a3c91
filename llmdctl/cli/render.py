"""`llmdctl render`: what a recipe becomes, as manifests or as a folder that plain helm installs."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmdctl.cli import composing, doors, judging
from llmdctl.cli.ahead import read_ahead
from llmdctl.cli.declared import declared
from llmdctl.cli.options import OutputOptions, RecipeOptions, ReleaseOptions
from llmdctl.cli.output import Format, say, session, use, write_result
from llmdctl.errors import UsageError

if TYPE_CHECKING:
    from llmdctl.model.release import ReleaseSpec


class Scope(StrEnum):
    """Which objects are written."""

    ALL = "all"
    CLUSTER = "cluster"
    NAMESPACE = "namespace"


@dataclass(frozen=True, kw_only=True)
class RenderOptions:
    """Where to and how much."""

    to: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write values.yaml, manifests.yaml and commands.sh into DIR."),
    ] = None
    scope: Annotated[
        Scope, typer.Option(help="cluster: only what an administrator must apply; namespace: only the rest.")
    ] = Scope.ALL
    kube_version: Annotated[str, typer.Option("--kube-version", help="Kubernetes version to render for.")] = "1.34.4"


@declared(RecipeOptions, ReleaseOptions, RenderOptions, OutputOptions)
def run(recipe: RecipeOptions, release: ReleaseOptions, rendering: RenderOptions, output: OutputOptions) -> None:
    """Render a recipe: its manifests on stdout, or a folder for plain helm with --to."""
    from llmdctl.helm import EMBEDDED_LIBRARY, in_scope, to_manifests
    from llmdctl.values import to_yaml

    use(output)
    read_ahead(EMBEDDED_LIBRARY)
    spec = composing.release_spec(recipe, release)
    rendered, _ = judging.judged(spec, force=recipe.force, kube_version=rendering.kube_version)
    objects = in_scope(rendered.objects, rendering.scope.value)
    manifests = to_manifests(objects)
    files: dict[str, str] = {}
    if rendering.to is not None:
        files = {
            "values.yaml": to_yaml(spec.values),
            "manifests.yaml": manifests,
            "commands.sh": commands(spec),
        }
        write_files(rendering.to, files)
        say(f"Wrote {', '.join(files)} to {rendering.to}.")
    if session.format is Format.TEXT:
        if rendering.to is None:
            sys.stdout.write(manifests)
        return
    from llmdctl.cli import results

    result = results.Render(
        name=spec.name,
        namespace=spec.namespace,
        recipe=spec.recipe,
        facets=spec.facets,
        evidence=spec.evidence,
        helm=doors.engine(rendered.engine),
        files=tuple(files),
        objects=tuple(objects),
    )
    write_result(result, None)


def commands(spec: ReleaseSpec) -> str:
    """A shell script of plain helm commands that install the same release from the same folder."""
    name, namespace = shlex.quote(spec.name), shlex.quote(spec.namespace)
    return "\n".join(
        [
            "#!/bin/sh",
            f"# Installs {spec.recipe} as {spec.name} with Helm 3.20+ or 4.2+ alone; llmdctl is not needed.",
            "# CHART may also name a packaged chart or a checkout elsewhere.",
            "set -eu",
            'cd "$(dirname "$0")"',
            f'CHART="${{CHART:-{shlex.quote(str(spec.chart))}}}"',
            f'helm upgrade --install {name} "$CHART" --namespace {namespace} --create-namespace \\',
            f"  --values values.yaml --wait --timeout {spec.startup_s + 300}s",
            f"helm status {name} --namespace {namespace}",
            f"# Remove it again: helm uninstall {name} --namespace {namespace} --wait",
            "",
        ]
    )


def write_files(folder: Path, files: dict[str, str]) -> None:
    """Write `files` into `folder`, each whole or not at all.

    Raises UsageError when the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            partial = folder / f".{name}.partial"
            partial.write_text(text, encoding="utf-8")
            if name.endswith(".sh"):
                partial.chmod(0o755)
            partial.replace(folder / name)
    except OSError as cause:
        raise UsageError(
            f"Cannot write to {folder}: {cause.strerror or cause}.", remedy="Name another folder with --to."
        ) from cause
