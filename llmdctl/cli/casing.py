"""From a recipe and a cluster, live or captured, to the case that preflight judges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmdctl.cli import composing, doors
from llmdctl.cli.output import console, say

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from llmdctl.cli.options import ClusterOptions, RecipeOptions
    from llmdctl.helm import Rendered
    from llmdctl.kube import Cluster, KubernetesObject
    from llmdctl.model.finding import Report
    from llmdctl.model.inventory import Inventory
    from llmdctl.model.recipe import Recipe
    from llmdctl.model.release import ReleaseSpec
    from llmdctl.preflight import Case
    from llmdctl.recipe import Catalog


def captured(composed: Recipe, catalog: Catalog, spec: ReleaseSpec, recipe: RecipeOptions, file: Path) -> Case:
    """The recipe beside a stored inventory."""
    from llmdctl.model.inventory_file import load
    from llmdctl.preflight import Case

    inventory = load(file)
    rendered = _rendered(spec, *_described(inventory))
    objects = _placed(rendered, spec)
    return Case(
        inventory=inventory, objects=objects, recipe=composed, release=spec.name, namespace=spec.namespace,
        accelerators=composing.accelerators(catalog), linted=_linted(objects), platform_stated=recipe.platform,
    )  # fmt: skip


def live(
    composed: Recipe,
    catalog: Catalog,
    spec: ReleaseSpec,
    recipe: RecipeOptions,
    cluster: ClusterOptions,
    *,
    timeout_s: float,
) -> Case:
    """The recipe beside the cluster as it is now. Raises the door's errors where nothing can be asked."""
    from concurrent.futures import ThreadPoolExecutor
    from dataclasses import replace
    from functools import partial

    from llmdctl.release import client_section
    from llmdctl.release.gating import examine

    opened = doors.open_cluster(cluster)
    objects = _placed(_rendered(spec, *_asked(opened)), spec)
    with ThreadPoolExecutor(max_workers=1) as aside:
        client = aside.submit(
            client_section, kubeconfig=cluster.kubeconfig, context=cluster.context, is_terminal=console().is_terminal
        )
        case = examine(
            opened, spec, objects, recipe=composed, accelerators=partial(composing.accelerators, catalog),
            platform=recipe.platform, timeout_s=timeout_s, say=say,
        )  # fmt: skip
        context, about = client.result()
    seen = replace(case.inventory, context=context, sections={**case.inventory.sections, "client": about})
    return replace(case, inventory=seen, linted=_linted(objects))


def _described(inventory: Inventory) -> tuple[str, tuple[str, ...]]:
    """Version and API versions that a captured cluster has, as Helm wants them; empty where it does not say."""
    version = next((str(item.get("gitVersion") or "") for item in inventory.section("version").items), "")
    kinds = [(str(item.get("apiVersion", "")), str(item.get("kind", ""))) for item in inventory.section("apis").items]
    groups = dict.fromkeys(group for group, _ in kinds)
    return version.removeprefix("v"), (*groups, *(f"{group}/{kind}" for group, kind in kinds))


def _asked(cluster: Cluster) -> tuple[str, tuple[str, ...]]:
    """The same of a live cluster. Raises what ends every look at it; where only this is refused, it is empty."""
    from llmdctl.errors import ClusterError, UnauthenticatedError, UnreachableError

    try:
        return cluster.version(), cluster.served().api_versions
    except (UnreachableError, UnauthenticatedError):
        raise
    except ClusterError as refused:
        say(f"What this server serves could not be read: {refused.message}")
        return "", ()


def _rendered(spec: ReleaseSpec, version: str, api_versions: tuple[str, ...]) -> Rendered:
    """The recipe as this cluster would get it; a cluster too old for the chart gets what a newer one would."""
    from llmdctl.errors import HelmError
    from llmdctl.helm import ASSUMED_KUBERNETES, open_renderer, stated_version

    renderer = open_renderer()
    stated = stated_version(version)
    try:
        return renderer.render(spec, kube_version=stated, api_versions=api_versions)
    except HelmError:
        if stated == ASSUMED_KUBERNETES:
            raise
        return renderer.render(spec, kube_version=ASSUMED_KUBERNETES, api_versions=api_versions)


def _placed(rendered: Rendered, spec: ReleaseSpec) -> tuple[KubernetesObject, ...]:
    from llmdctl.release.changes import placed

    return placed(rendered.objects, spec.namespace)


def _linted(objects: Iterable[KubernetesObject]) -> Report:
    from llmdctl.lint import lint_objects

    return lint_objects(objects)
