"""What is installed, and what should be: the two sides that `diff` and `install` compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from llmdctl.helm import Change, Helm, Rendered, Renderer, asks_more, stated_version
from llmdctl.kube import Cluster, KubernetesObject
from llmdctl.model.release import ReleaseSpec
from llmdctl.release.changes import placed
from llmdctl.release.facts import VALUES, to_labels, values_label
from llmdctl.release.operation import this_operation
from llmdctl.release.record import DEPLOYED, Revision, current, revisions

_PREVIEW_S: Final = 60.0  # a preview is a render and a few requests


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Both sides, with the namespace written into every object that has one."""

    name: str
    namespace: str
    last: Revision | None  # the newest revision, whatever its state
    shown: Revision | None  # the one whose objects are in the cluster
    installed: tuple[KubernetesObject, ...]
    wanted: tuple[KubernetesObject, ...]
    rendered: Rendered

    @property
    def deployed(self) -> bool:
        """The last operation on the release went well."""
        return self.last is not None and self.last.helm_status == DEPLOYED


def change_of(
    spec: ReleaseSpec,
    *,
    timeout_s: float,
    take_ownership: bool = False,
    force_conflicts: bool = False,
    judged: bool = False,
    revision: int | None = None,
) -> Change:
    """What Helm is asked for; `revision` is the number of what it will make, where that is known."""
    forced = ", forced" if spec.forced else ""
    if spec.overruled:
        forced += f"{' against' if spec.forced else ', ignoring'} {' '.join(spec.overruled)}"
    labels = to_labels(spec, operation=this_operation())
    if revision is not None:
        labels[VALUES] = values_label(spec.values, revision)
    return Change(
        name=spec.name,
        namespace=spec.namespace,
        chart=str(spec.chart),
        values=spec.values,
        labels=labels,
        description=f"recipe {spec.recipe} ({spec.evidence}{forced})",
        take_ownership=take_ownership,
        force_conflicts=force_conflicts,
        judged=judged,
        timeout_s=timeout_s,
    )


def plan(
    spec: ReleaseSpec,
    *,
    helm: Helm,
    cluster: Cluster,
    renderer: Renderer | None = None,
    offline: Rendered | None = None,
) -> Plan:
    """Read what is installed, and render what would be, with the cluster's version and APIs.

    `offline` is what `render_for` gave, where the caller has it already. Helm previews only a chart that looks into
    the cluster: each run of it costs a third of a second there and here.
    """
    found = revisions(cluster, spec.name, spec.namespace)
    shown = current(found)
    served = cluster.served()
    # Nor does Helm preview anything for a release that is being worked on.
    if shown is None or found[-1].pending or not asks_more(spec.chart, spec.values):
        rendered = offline or render_for(spec, renderer=renderer or helm, cluster=cluster)
    else:
        rendered = helm.preview(change_of(spec, timeout_s=_PREVIEW_S, take_ownership=True))
    installed: tuple[KubernetesObject, ...] = ()
    if shown is not None:
        installed = placed(helm.manifest(spec.name, spec.namespace, shown.revision).objects, spec.namespace, served)
    return Plan(
        name=spec.name,
        namespace=spec.namespace,
        last=found[-1] if found else None,
        shown=shown,
        installed=installed,
        wanted=placed(rendered.objects, spec.namespace, served),
        rendered=rendered,
    )


def render_for(spec: ReleaseSpec, *, renderer: Renderer, cluster: Cluster) -> Rendered:
    """Render for this cluster without asking Helm to reach it: no release, namespace or right is needed yet."""
    version = stated_version(cluster.version())
    return renderer.render(spec, kube_version=version, api_versions=cluster.served().api_versions)
