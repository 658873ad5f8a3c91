"""`llmdctl recipe`: what there is, what one holds, whether it is right, and where each value came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from llmdctl.cli import complete, composing, judging, own_model
from llmdctl.cli.declared import declared
from llmdctl.cli.options import CatalogOptions, OutputOptions, RecipeOptions
from llmdctl.cli.output import use, write_result

app = typer.Typer(help="The well-lit paths: list, show, validate, explain, model.", no_args_is_help=True)
app.command("model")(own_model.run)


@dataclass(frozen=True, kw_only=True)
class NamedRecipe(CatalogOptions):
    """One recipe by name."""

    recipe: Annotated[str, typer.Argument(help="The well-lit path.", autocompletion=complete.recipes)]


@dataclass(frozen=True, kw_only=True)
class ExplainOptions:
    """How much to explain."""

    key: Annotated[str, typer.Option(help="Only values below this key, such as modelserver.roles.decode.")] = ""


@dataclass(frozen=True, kw_only=True)
class ListOptions(CatalogOptions):
    """What to list."""

    recipes: Annotated[
        list[str] | None, typer.Argument(help="Only these paths; all, when none.", autocompletion=complete.recipes)
    ] = None
    cells: Annotated[
        bool, typer.Option("--cells", help="Each combination of facets with its evidence, and why others are left out.")
    ] = False
    left_out: Annotated[
        bool, typer.Option("--left-out", help="With --cells: each combination that is left out, with its reason.")
    ] = False


@app.command("list")
@declared(ListOptions, OutputOptions)
def list_recipes(listed: ListOptions, output: OutputOptions) -> None:
    """List the well-lit paths with their goal, default facets and evidence; with --cells every combination."""
    from llmdctl.cli import results
    from llmdctl.cli.views import cells
    from llmdctl.cli.views import recipes as view
    from llmdctl.recipe import matrix
    from llmdctl.values import contradictions

    use(output)
    loaded = composing.load_catalog(listed)
    paths = tuple(loaded.path(name) for name in listed.recipes or loaded.names("path"))
    if listed.cells:
        combinations = matrix(loaded, tuple(path.name for path in paths), contradictions)
        found = cells.answer(loaded, combinations, left_out=listed.left_out)
        write_result(found, cells.page(found))
    else:
        rows = tuple(view.summary(loaded, path) for path in paths)
        write_result(results.RecipeList(recipes=rows), view.listing(rows))


@app.command("show")
@declared(NamedRecipe, OutputOptions)
def show(named: NamedRecipe, output: OutputOptions) -> None:
    """Show one well-lit path: goal, when to use it, its axes and the facets to choose from."""
    from llmdctl.cli.views import recipes as view

    use(output)
    loaded = composing.load_catalog(named)
    detail = view.detail(loaded, loaded.path(named.recipe))
    write_result(detail, view.page(detail))


@app.command("validate")
@declared(RecipeOptions, OutputOptions)
def validate(recipe: RecipeOptions, output: OutputOptions) -> None:
    """Compose a recipe with the given facets and files and show every mistake; installs nothing."""
    from llmdctl.cli import results
    from llmdctl.values import build

    use(output)
    composed = composing.compose(recipe)
    spec = build(composed, name=recipe.recipe, namespace="default")
    rendered, report = judging.judged(spec, force=recipe.force)
    result = results.Validation(
        recipe=composed.path,
        facets=spec.facets,
        evidence=spec.evidence,
        warnings=composed.warnings,
        objects=len(rendered.objects),
        findings=report.findings,
    )
    write_result(result, f"{composed.path} is valid: {len(rendered.objects)} objects, evidence {spec.evidence}.")


@app.command("explain")
@declared(RecipeOptions, ExplainOptions, OutputOptions)
def explain(recipe: RecipeOptions, explaining: ExplainOptions, output: OutputOptions) -> None:
    """Show where each value came from, layer by layer; the last layer wins."""
    from llmdctl.cli import results
    from llmdctl.cli.views import recipes as view
    from llmdctl.recipe import explain as origins_of
    from llmdctl.values import computed_layer

    use(output)
    composed = composing.compose(recipe)
    origins = origins_of(composed, computed_layer(composed))
    values = tuple(origin for origin in origins if view.below(origin.key, explaining.key))
    write_result(results.Explanation(recipe=recipe.recipe, values=values), view.explanation(values))
