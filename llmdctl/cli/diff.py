"""`llmdctl diff`: what installing this command line would change. Exit code 10 when it would change anything."""

from __future__ import annotations

from llmdctl.cli import composing, doors
from llmdctl.cli.declared import declared
from llmdctl.cli.options import ClusterOptions, OutputOptions, RecipeOptions, ReleaseOptions
from llmdctl.cli.output import use, write_result
from llmdctl.errors import DifferencesFound


@declared(RecipeOptions, ReleaseOptions, ClusterOptions, OutputOptions)
def run(recipe: RecipeOptions, release: ReleaseOptions, cluster: ClusterOptions, output: OutputOptions) -> None:
    """Show what an install with these options would change; exit code 10 when there is a difference."""
    from llmdctl.cli import results
    from llmdctl.cli.views import releases as view
    from llmdctl.helm import open_renderer
    from llmdctl.release import diff

    use(output)
    spec = composing.release_spec(recipe, release)
    changes = diff(spec, helm=doors.open_helm(cluster), cluster=doors.open_cluster(cluster), renderer=open_renderer())
    result = results.Diff(name=spec.name, namespace=spec.namespace, changes=tuple(changes))
    write_result(result, view.differences(result))
    if changes:
        raise DifferencesFound(f"{len(changes)} objects differ.")
