"""Releases for people: state, differences, what goes and what stays."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import dropwhile, takewhile
from typing import TYPE_CHECKING

from llmdctl.cli.views.tables import table
from llmdctl.model.release import Readiness

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table

    from llmdctl.cli import results
    from llmdctl.model.release import ObjectState, PodState, ReleaseSpec, ReleaseStatus
    from llmdctl.release import DryRun, InstallResult, Inventory, Revision


def summary(revision: Revision) -> results.ReleaseSummary:
    """One release in a list."""
    from llmdctl.cli import results

    return results.ReleaseSummary(
        name=revision.name,
        namespace=revision.namespace,
        recipe=revision.recipe,
        revision=revision.revision,
        helm_status=revision.helm_status,
    )


def listing(listed: results.ReleaseList) -> Table | str:
    """`status` without a name."""
    if not listed.releases:
        return "No release of llmdctl here."
    columns = ("name", "namespace", "recipe", "revision", "helm")
    return table(columns, ((r.name, r.namespace, r.recipe, r.revision, r.helm_status) for r in listed.releases))


def page(state: ReleaseStatus) -> Group:
    """`status NAME`: a headline, the objects that have a readiness, the pods, the address."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [
        Text(f"{state.name} in {state.namespace}: {state.readiness.value}"),
        Text(
            f"recipe {state.recipe or 'unknown'}, Helm revision {state.revision} {state.helm_status}{_went_on(state)}"
        ),
        Text(""),
        objects_table(state.objects),
        Text(""),
        pods_table(state.pods),
    ]
    if state.endpoint:
        parts += [Text(""), Text(f"Endpoint: {state.endpoint}")]
    return Group(*parts)


def _went_on(state: ReleaseStatus) -> str:
    """What somebody went over when this revision was made."""
    against = f" against {' '.join(state.overruled)}" if state.overruled else ""
    return f", {'forced' if state.forced else 'installed'}{against}" if state.forced or against else ""


def objects_table(objects: Iterable[ObjectState]) -> Table:
    """Objects with their readiness and the reason."""
    return table(("object", "state", "reason"), ((str(o.key), o.readiness.value, o.reason) for o in objects))


def pods_table(pods: Iterable[PodState]) -> Table:
    """Pods with their node."""
    rows = (
        (pod.name, pod.role, "ready" if pod.ready else pod.phase, pod.restarts, pod.node, pod.reason) for pod in pods
    )
    return table(("pod", "role", "state", "restarts", "node", "reason"), rows)


def installed(done: InstallResult, spec: ReleaseSpec) -> Group:
    """What `install` ends with."""
    from rich.console import Group
    from rich.text import Text

    said = {
        "installed": f"Installed {spec.name} ({spec.recipe}, evidence {spec.evidence}).",
        "upgraded": f"Upgraded {spec.name} to revision {done.revision}.",
        "unchanged": f"{spec.name} is as asked already: no change, still revision {done.revision}.",
    }
    parts: list[RenderableType] = [Text(said[done.outcome]), Text(""), page(done.status)]
    notes = done.notes if done.status.readiness is not Readiness.READY else without_waiting(done.notes)
    if notes.strip():
        parts += [Text(""), Text(notes.strip())]
    return Group(*parts)


def without_waiting(notes: str) -> str:
    """The chart's notes once everything is ready: without how to wait for it, which is what they begin with.

    A lead, then indented commands, up to the next line that is not indented.
    """
    lines = notes.strip().splitlines()
    lead = list(takewhile(lambda line: not line.startswith(" "), lines))
    rest = dropwhile(lambda line: not line.strip() or line.startswith(" "), lines[len(lead) :])
    return "\n".join(rest).replace("Then send", "Send", 1)


def dry_run(tried: DryRun, spec: ReleaseSpec) -> Group:
    """What an install would do, and who said so."""
    from rich.console import Group
    from rich.text import Text

    judge = "the API server accepts every object" if tried.validated == "server" else "rendered only, no cluster asked"
    rows = ((change.action, str(change.key), change.key.namespace) for change in tried.changes)
    return Group(
        Text(f"{spec.name}: {len(tried.changes)} objects, {judge}. Nothing was changed."),
        Text(""),
        table(("action", "object", "namespace"), rows),
    )


def differences(result: results.Diff) -> str:
    """`diff` as a unified diff, one object after the other."""
    if not result.changes:
        return f"{result.name}: no difference."
    blocks = []
    for change in result.changes:
        namespace = f" in {change.key.namespace}" if change.key.namespace else ""
        blocks.append("\n".join([f"{change.action} {change.key}{namespace}", *change.lines]))
    return "\n\n".join(blocks)


def inventory(name: str, namespace: str, found: Inventory) -> str:
    """What an uninstall will remove, and what will stay."""
    lines = [f"Removing {name} from {namespace}: {len(found.objects)} objects, {len(found.pods)} pods."]
    lines += [f"  - {key}" for key in found.objects]
    lines += [f"  keeps {thing}" for thing in found.kept]
    return "\n".join(lines)


def uninstalled(result: results.Uninstall) -> str:
    """What `uninstall` ends with."""
    lines = [f"Removed {result.name}: {len(result.removed)} objects."]
    lines += [f"Kept {thing}" for thing in result.kept]
    return "\n".join(lines)
