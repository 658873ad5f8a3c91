"""A release as it is in the cluster now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from llmdctl.errors import ForbiddenError
from llmdctl.helm import Helm
from llmdctl.kube import Cluster, KubernetesObject
from llmdctl.model.release import Readiness, ReleaseStatus
from llmdctl.release.changes import placed
from llmdctl.release.clock import SYSTEM_CLOCK, Clock
from llmdctl.release.endpoint import endpoint
from llmdctl.release.pods import Patience
from llmdctl.release.record import DEPLOYED, NOT_FOUND, Revision, current, revisions
from llmdctl.release.snapshot import Snapshot, look

_FAILED: Final = "failed"


def status(name: str, namespace: str, *, helm: Helm, cluster: Cluster, clock: Clock = SYSTEM_CLOCK) -> ReleaseStatus:
    """What Helm says of a release, and how far each of its objects and pods is.

    A release that does not exist has the Helm status `not-found`. Raises the errors of both doors.
    """
    found = revisions(cluster, name, namespace)
    shown = current(found)
    if shown is None:
        return ReleaseStatus(
            name=name, namespace=namespace, recipe="", helm_status=NOT_FOUND, revision=0, objects=(), pods=(),
            endpoint=None, readiness=Readiness.UNKNOWN,
        )  # fmt: skip
    objects = placed(helm.manifest(name, namespace, shown.revision).objects, namespace, cluster.served())
    seen = look(cluster, objects, name=name, namespace=namespace, now_s=clock.now(), patience=Patience())
    return assemble(cluster, found[-1], objects, seen)


def assemble(cluster: Cluster, last: Revision, objects: Sequence[KubernetesObject], seen: Snapshot) -> ReleaseStatus:
    """The status of a release from its newest revision and a look at its objects."""
    return ReleaseStatus(
        name=last.name,
        namespace=last.namespace,
        recipe=last.recipe,
        helm_status=last.helm_status,
        revision=last.revision,
        objects=seen.objects,
        pods=seen.pods,
        endpoint=_endpoint(cluster, objects),
        readiness=_overall(last, seen),
        forced=last.facts.forced,
        overruled=last.facts.overruled,
    )


def _overall(last: Revision, seen: Snapshot) -> Readiness:
    if last.helm_status == DEPLOYED:
        return seen.readiness
    return Readiness.FAILED if last.helm_status == _FAILED else Readiness.PROGRESSING


def _endpoint(cluster: Cluster, objects: Sequence[KubernetesObject]) -> str | None:
    try:
        return endpoint(cluster, objects)
    except ForbiddenError:
        return None
