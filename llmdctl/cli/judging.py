"""The linter over what a recipe renders: errors refuse, warnings are said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from llmdctl.cli.output import warn
from llmdctl.errors import Problem, RecipeError
from llmdctl.model.finding import Severity

if TYPE_CHECKING:
    from llmdctl.helm import Rendered
    from llmdctl.model.finding import Finding, Report
    from llmdctl.model.release import ReleaseSpec


def judge(objects: Iterable[Mapping[str, Any]], *, force: bool = False) -> Report:
    """Lint rendered objects; with `force`, errors are said and nothing is refused.

    Raises RecipeError with every error that the linter found.
    """
    from llmdctl.cli.views.findings import sentence
    from llmdctl.lint import lint_objects

    report = lint_objects(objects)
    errors = report.of(Severity.ERROR)
    shown = (*errors, *report.of(Severity.WARNING)) if force else report.of(Severity.WARNING)
    for finding in shown:
        warn(f"{finding.severity.value.capitalize()}: {finding.code} {finding.object}: {sentence(finding)}")
    if errors and not force:
        raise RecipeError(
            "What this recipe renders cannot work.",
            remedy="Add --force to go on all the same.",
            problems=tuple(problem(finding) for finding in errors),
        )
    return report


def judged(spec: ReleaseSpec, *, force: bool, kube_version: str | None = None) -> tuple[Rendered, Report]:
    """A release rendered without a cluster, and what the linter found in it.

    Raises what rendering raises, and RecipeError as `judge` does.
    """
    from llmdctl.helm import open_renderer, stated_version

    renderer = open_renderer()
    with ThreadPoolExecutor(max_workers=1) as aside:  # Helm works outside the interpreter, which is free meanwhile
        rendering = aside.submit(renderer.render, spec, kube_version=stated_version(kube_version))
        import llmdctl.lint  # noqa: F401  a tenth of a second that `judge` finds done

        rendered = rendering.result()
    return rendered, judge(rendered.objects, force=force)


def problem(finding: Finding) -> Problem:
    """A finding as one of a person's mistakes."""
    path = " ".join(part for part in (finding.object, finding.path) if part)
    return Problem(path=path, message=f"{finding.code}: {finding.message}", remedy=finding.remedy or None)
