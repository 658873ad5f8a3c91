"""Trying an install without changing anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from llmdctl.errors import ClusterError, Problem, UnauthenticatedError, UnreachableError, UsageError
from llmdctl.helm import Helm, Rendered, Renderer
from llmdctl.kube import Cluster, KubernetesObject, key_of
from llmdctl.model.release import ObjectChange, ReleaseSpec
from llmdctl.release.changes import compare, placed
from llmdctl.release.drift import HELM_MANAGER
from llmdctl.release.installing import InstallOptions
from llmdctl.release.namespaces import namespace_key
from llmdctl.release.ownership import as_of_release, refuse_foreign
from llmdctl.release.planning import plan
from llmdctl.release.prerequisites import check, missing

_BINDINGS: Final = {"RoleBinding", "ClusterRoleBinding"}
_STAND_IN: Final = "default"
"""Objects of a namespace that does not exist yet are tried in this one; a dry run leaves nothing there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DryRun:
    """What an install would do."""

    changes: tuple[ObjectChange, ...]
    rendered: Rendered
    validated: str  # client (rendered only) | server (every object accepted by the API server)


def dry_run(
    spec: ReleaseSpec,
    *,
    helm: Helm | None = None,
    renderer: Renderer | None = None,
    cluster: Cluster | None = None,
    options: InstallOptions | None = None,
) -> DryRun:
    """Render, and with a cluster have the API server judge every object, with strict field validation.

    With `cluster` goes `helm`; without, a `renderer` is enough. Where there is one, it renders what needs no cluster.
    Raises what `install` would raise before it changes anything, and ClusterError with every object that the server
    refuses.
    """
    settings = options or InstallOptions()
    if cluster is None:
        engine = renderer or helm
        if engine is None:
            raise UsageError("a dry run needs something that renders")
        rendered = engine.render(spec)
        settings.judge(rendered.objects)
        objects = placed(rendered.objects, spec.namespace)
        return DryRun(changes=compare((), objects), rendered=rendered, validated="client")
    if helm is None:
        raise UsageError("a dry run on the server needs the helm program")
    planned = plan(spec, helm=helm, cluster=cluster, renderer=renderer)
    settings.judge(planned.wanted)
    check(missing(cluster.served(), planned.wanted, spec.prerequisites))
    installed = {key_of(obj) for obj in planned.installed}
    if not settings.take_ownership:
        new = [obj for obj in planned.wanted if key_of(obj) not in installed]
        refuse_foreign(cluster, new, name=spec.name, namespace=spec.namespace)
    problems = tuple(_refused(cluster, planned.wanted, spec, force=settings.force_conflicts))
    if problems:
        raise ClusterError(
            f"the API server refuses {len(problems)} of {len(planned.wanted)} objects", problems=problems
        )
    changes = compare(planned.installed, planned.wanted)
    return DryRun(changes=changes, rendered=planned.rendered, validated="server")


def _refused(
    cluster: Cluster, objects: Sequence[KubernetesObject], spec: ReleaseSpec, *, force: bool
) -> Iterator[Problem]:
    absent = cluster.get(namespace_key(spec.namespace)) is None
    for obj in objects:
        tried = as_of_release(obj, spec.name, spec.namespace)
        if absent and key_of(obj).namespace == spec.namespace:
            tried = {**tried, "metadata": {**tried["metadata"], "namespace": _STAND_IN}}
        try:
            cluster.apply(tried, field_manager=HELM_MANAGER, force=force or absent, dry_run=True)
        except (UnauthenticatedError, UnreachableError):
            raise  # no other object would fare better
        except ClusterError as error:
            if _waits_for_its_role(obj, objects, error):
                continue
            yield Problem(message=error.message, remedy=error.remedy)
            yield from error.problems


def _waits_for_its_role(obj: KubernetesObject, objects: Sequence[KubernetesObject], error: ClusterError) -> bool:
    """A binding of a role that comes with it: to one who may not `bind`, the server looks for the role's rules, and
    says that there is no such role. An install makes the role first.
    """
    if obj.get("kind") not in _BINDINGS or not error.message.endswith("not found"):
        return False
    role = obj.get("roleRef") or {}
    return any((each.get("kind"), key_of(each).name) == (role.get("kind"), role.get("name")) for each in objects)
