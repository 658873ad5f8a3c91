"""From options to a composed recipe and a release: the same steps for every verb that names a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmdctl import assets
from llmdctl.cli.output import warn
from llmdctl.model.selection import AXES, Overrides, Selection

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from llmdctl.cli.options import CatalogOptions, RecipeOptions, ReleaseOptions
    from llmdctl.model.recipe import Recipe
    from llmdctl.model.release import ReleaseSpec
    from llmdctl.recipe import Catalog


def load_catalog(options: CatalogOptions) -> Catalog:
    """The shipped paths and facets, and those of `--paths`."""
    from llmdctl.recipe import Catalog

    return Catalog.load([assets.paths(), *options.paths])


def selection(options: RecipeOptions) -> Selection:
    """The path and the facets that the options name."""
    return Selection(path=options.recipe, **{axis: getattr(options, axis) for axis in AXES})


def overrides(options: RecipeOptions, *, namespace_only: bool = False) -> Overrides:
    """A person's own changes; `--namespace-only` is one of the chart's values like any other."""
    sets = (*options.sets, "global.llmd.namespaceOnly=true") if namespace_only else tuple(options.sets)
    return Overrides(files=tuple(options.file), role_settings=tuple(options.role), sets=sets, force=options.force)


def compose(options: RecipeOptions, release: ReleaseOptions | None = None, *, catalog: Catalog | None = None) -> Recipe:
    """The composed recipe; its warnings go to stderr. `catalog` is that of the options, where it has been loaded."""
    from llmdctl.recipe import compose as compose_recipe

    changes = overrides(options, namespace_only=release.namespace_only if release else False)
    recipe = compose_recipe(catalog or load_catalog(options), selection(options), changes)
    for warning in recipe.warnings:
        warn(f"Warning: {warning}")
    return recipe


def release_spec(options: RecipeOptions, release: ReleaseOptions) -> ReleaseSpec:
    """The release that Helm will be asked for."""
    return build(compose(options, release), options, release)


def build(recipe: Recipe, options: RecipeOptions, release: ReleaseOptions) -> ReleaseSpec:
    """The release of a composed recipe."""
    from llmdctl import values

    return values.build(recipe, name=release.name or options.recipe, namespace=release.namespace)


def accelerators(catalog: Catalog) -> Mapping[str, Mapping[str, Any]]:
    """Accelerator facet -> its facts, of every facet there is: a node may carry another one than the recipe's."""
    return {name: catalog.facet("accelerator", name).facts for name in catalog.names("accelerator")}
