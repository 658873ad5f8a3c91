"""The options that verbs share, each declared once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from llmdctl.cli import complete
from llmdctl.cli.output import Format

_FACETS = "Facets"
_CHANGES = "Your own changes"
_CLUSTER = "Cluster"


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """How a result is shown."""

    output: Annotated[Format, typer.Option("--output", "-o", help="How the result is written.")] = Format.TEXT
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the result and errors.")] = False
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when llmdctl itself fails.")] = False


@dataclass(frozen=True, kw_only=True)
class CatalogOptions:
    """Where well-lit paths and facets come from."""

    paths: Annotated[
        list[Path],
        typer.Option("--paths", metavar="DIR", help="Folder with your own paths and facets; may be repeated."),
    ] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class RecipeOptions(CatalogOptions):
    """A path, a facet for each axis, and a person's own changes."""

    recipe: Annotated[
        str, typer.Argument(help="The well-lit path, such as pd-disaggregation.", autocompletion=complete.recipes)
    ]
    model: Annotated[
        str | None,
        typer.Option(help="Model to serve.", rich_help_panel=_FACETS, autocompletion=complete.facet("model")),
    ] = None
    accelerator: Annotated[
        str | None,
        typer.Option(
            help="Accelerator you have.", rich_help_panel=_FACETS, autocompletion=complete.facet("accelerator")
        ),
    ] = None
    engine: Annotated[
        str | None,
        typer.Option(help="Model server.", rich_help_panel=_FACETS, autocompletion=complete.facet("engine")),
    ] = None
    fabric: Annotated[
        str | None,
        typer.Option(
            help="Network between accelerators.", rich_help_panel=_FACETS, autocompletion=complete.facet("fabric")
        ),
    ] = None
    kv_tier: Annotated[
        str | None,
        typer.Option(
            "--kv-tier",
            help="Where KV blocks go beyond the accelerator.",
            rich_help_panel=_FACETS,
            autocompletion=complete.facet("kv_tier"),
        ),
    ] = None
    scheduling: Annotated[
        str | None,
        typer.Option(
            help="How model servers are scored.", rich_help_panel=_FACETS, autocompletion=complete.facet("scheduling")
        ),
    ] = None
    prefix_index: Annotated[
        str | None,
        typer.Option(
            "--prefix-index",
            help="How the scheduler knows what each server has cached.",
            rich_help_panel=_FACETS,
            autocompletion=complete.facet("prefix_index"),
        ),
    ] = None
    flow_control: Annotated[
        str | None,
        typer.Option(
            "--flow-control",
            help="How requests wait when all are busy.",
            rich_help_panel=_FACETS,
            autocompletion=complete.facet("flow_control"),
        ),
    ] = None
    gateway: Annotated[
        str | None,
        typer.Option(help="Gateway, or standalone.", rich_help_panel=_FACETS, autocompletion=complete.facet("gateway")),
    ] = None
    autoscaler: Annotated[
        str | None,
        typer.Option(help="What scales roles.", rich_help_panel=_FACETS, autocompletion=complete.facet("autoscaler")),
    ] = None
    metrics: Annotated[
        str | None,
        typer.Option(help="Metrics system.", rich_help_panel=_FACETS, autocompletion=complete.facet("metrics")),
    ] = None
    platform: Annotated[
        str | None,
        typer.Option(help="Kubernetes platform.", rich_help_panel=_FACETS, autocompletion=complete.facet("platform")),
    ] = None
    role: Annotated[
        list[str],
        typer.Option(
            "--role",
            metavar="ROLE.KEY=VALUE",
            help="A setting of one role, such as prefill.replicas=4; may be repeated.",
            rich_help_panel=_CHANGES,
        ),
    ] = field(default_factory=list)
    file: Annotated[
        list[Path],
        typer.Option(
            "-f", "--values", metavar="FILE", help="Values file; may be repeated, later wins.", rich_help_panel=_CHANGES
        ),
    ] = field(default_factory=list)
    sets: Annotated[
        list[str],
        typer.Option("--set", metavar="KEY=VALUE", help="One value, as helm reads it.", rich_help_panel=_CHANGES),
    ] = field(default_factory=list)
    force: Annotated[
        bool,
        typer.Option("--force", help="Go on with a known-bad combination; at install, also against failed checks."),
    ] = False


@dataclass(frozen=True, kw_only=True)
class NamespaceOptions:
    """Where a release is."""

    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Namespace of the release.", envvar="LLMDCTL_NAMESPACE")
    ] = "default"


@dataclass(frozen=True, kw_only=True)
class ReleaseOptions(NamespaceOptions):
    """Which release, for verbs that also name a recipe."""

    name: Annotated[str | None, typer.Argument(help="Name of the release; the recipe's name unless given.")] = None
    namespace_only: Annotated[
        bool,
        typer.Option("--namespace-only", help="Render nothing that needs a cluster-scoped right."),
    ] = False


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Which cluster."""

    kubeconfig: Annotated[
        Path | None,
        typer.Option(help="Kubeconfig file.", envvar="KUBECONFIG", rich_help_panel=_CLUSTER),
    ] = None
    context: Annotated[
        str | None,
        typer.Option(help="Context of the kubeconfig.", rich_help_panel=_CLUSTER, autocompletion=complete.contexts),
    ] = None
    request_timeout: Annotated[
        int,
        typer.Option(
            "--request-timeout", metavar="SECONDS", help="Limit of one request.", rich_help_panel=_CLUSTER, min=1
        ),
    ] = 30


@dataclass(frozen=True, kw_only=True)
class SandboxName:
    """Which sandbox."""

    name: Annotated[str, typer.Option("--name", help="Name of the sandbox; several can stand side by side.")] = (
        "default"
    )
