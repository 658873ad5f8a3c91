"""What an install would change."""

from __future__ import annotations

from llmdctl.helm import Helm, Renderer
from llmdctl.kube import Cluster
from llmdctl.model.release import ObjectChange, ReleaseSpec
from llmdctl.release.changes import compare
from llmdctl.release.drift import drift
from llmdctl.release.planning import Plan, plan


def diff(
    spec: ReleaseSpec, *, helm: Helm, cluster: Cluster, renderer: Renderer | None = None
) -> tuple[ObjectChange, ...]:
    """How the release in the cluster differs from what `install` of this spec would make of it.

    First what the manifests differ in; where they agree, what was changed in the cluster since. Empty: an install
    would change nothing. What needs no cluster is rendered by `renderer`, where there is a faster one than the helm
    program. Contents of Secrets and what looks like a credential are masked. Raises the errors of both
    doors.
    """
    return differences(plan(spec, helm=helm, cluster=cluster, renderer=renderer), cluster)


def differences(planned: Plan, cluster: Cluster) -> tuple[ObjectChange, ...]:
    """The differences of a plan that has been made."""
    changes = compare(planned.installed, planned.wanted)
    changed = {change.key for change in changes}
    unchanged = [obj for obj in planned.installed if obj in planned.wanted]
    drifted = drift(cluster, unchanged, name=planned.name, namespace=planned.namespace)
    return (*changes, *(change for change in drifted if change.key not in changed))
