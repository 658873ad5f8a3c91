"""Running probes: short Jobs that read what no object of the API tells, and that are always gone afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llmdctl.errors import ClusterError
from llmdctl.kube import Cluster, KubernetesObject
from llmdctl.model.inventory import Section, Seen
from llmdctl.model.release import ObjectKey
from llmdctl.preflight.probe_plan import LABEL, Probe, read
from llmdctl.release.clock import SYSTEM_CLOCK, Clock
from llmdctl.release.events import Noticed, Reporter, silent

_LOOK_S: Final = 1.0
_GONE_S: Final = 60.0  # for pods to end after their Job is deleted
_LINES: Final = 400
_NO_START: Final = frozenset({"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "CreateContainerConfigError"})
_ENDED: Final = frozenset({"Succeeded", "Failed"})


def place_of(cluster: Cluster, namespace: str) -> str:
    """Where probes run: the release's namespace, or `default` while that does not exist."""
    found = cluster.get(ObjectKey(api_version="v1", kind="Namespace", namespace=None, name=namespace))
    return namespace if found is not None else "default"


def run(
    cluster: Cluster,
    probes: Sequence[Probe],
    *,
    timeout_s: float,
    clock: Clock = SYSTEM_CLOCK,
    report: Reporter = silent,
) -> Section:
    """Run every probe, wait for all, read what they wrote, delete them. One item a probe.

    Raises the errors of the cluster's door; also then, and after Ctrl-C, every Job that was made is deleted.
    """
    started_s = clock.monotonic()
    made: list[Probe] = []
    try:
        for probe in probes:
            made.append(probe)  # before it is made: an answer that is lost leaves a Job all the same
            cluster.create(probe.manifest)
        items = _watch(cluster, made, until_s=started_s + timeout_s, clock=clock)
    finally:
        _remove(cluster, made, clock=clock, report=report)
    return Section(seen=Seen.OK, items=tuple(items), seconds=clock.monotonic() - started_s)


def _watch(cluster: Cluster, probes: Sequence[Probe], *, until_s: float, clock: Clock) -> list[Mapping[str, Any]]:
    ended: dict[str, Mapping[str, Any]] = {}
    while len(ended) < len(probes):
        pods = {pod["metadata"]["labels"].get("job-name", ""): pod for pod in _pods(cluster, probes)}
        late = clock.monotonic() >= until_s
        for probe in probes:
            if probe.name not in ended:
                result = _result(cluster, probe, pods.get(probe.name), late=late)
                if result is not None:
                    ended[probe.name] = result
        if len(ended) < len(probes):
            clock.sleep(_LOOK_S)
    return [ended[probe.name] for probe in probes]


def _pods(cluster: Cluster, probes: Sequence[Probe]) -> tuple[KubernetesObject, ...]:
    namespace = str(probes[0].manifest["metadata"]["namespace"])
    return cluster.list_objects("v1", "Pod", namespace=namespace, labels={LABEL: "true"})


def _result(cluster: Cluster, probe: Probe, pod: KubernetesObject | None, *, late: bool) -> Mapping[str, Any] | None:
    """What a probe came to; None while it is still under way."""
    status = (pod or {}).get("status") or {}
    phase = status.get("phase")
    waiting = _waiting(status)
    if pod is not None and probe.simulated and phase in ("Running", *_ENDED):
        return _item(probe, "no-output", "a simulated node runs no container")
    if pod is not None and phase in _ENDED:
        return _read(cluster, probe, pod)
    if waiting in _NO_START:
        return _item(probe, "not-started", waiting)
    if unplaced := _unplaced(status):  # nobody is pushed aside for a probe
        return _item(probe, "not-started", unplaced)
    if late:
        return _item(probe, "timed-out", waiting or f"its pod is {phase or 'not there'}")
    return None


def _waiting(status: Mapping[str, Any]) -> str:
    states = [(row.get("state") or {}).get("waiting") or {} for row in status.get("containerStatuses") or ()]
    return next((str(state["reason"]) for state in states if state.get("reason")), "")


def _unplaced(status: Mapping[str, Any]) -> str:
    rows = [row for row in status.get("conditions") or () if row.get("type") == "PodScheduled"]
    return next((str(row.get("message")) for row in rows if row.get("reason") == "Unschedulable"), "")


def _read(cluster: Cluster, probe: Probe, pod: KubernetesObject) -> Mapping[str, Any]:
    metadata = pod["metadata"]
    try:
        found = read(cluster.logs(metadata["namespace"], metadata["name"], "probe", lines=_LINES))
    except ClusterError as cause:
        return _item(probe, "no-output", cause.message)
    return _item(probe, "no-output", "it wrote nothing") if found is None else _item(probe, "ok", "", **found)


def _item(probe: Probe, outcome: str, reason: str, **found: object) -> Mapping[str, Any]:
    return {
        "node": probe.node,
        "nodeType": probe.node_type,
        "accelerator": probe.accelerator,
        "role": probe.role,
        "image": probe.image,
        "outcome": outcome,
        "reason": reason,
        **found,
    }


def _remove(cluster: Cluster, made: Sequence[Probe], *, clock: Clock, report: Reporter) -> None:
    """Delete every Job and wait until its pods are gone; what cannot be deleted is named, and ends by itself."""
    for probe in made:
        key = ObjectKey(
            api_version="batch/v1", kind="Job", namespace=str(probe.manifest["metadata"]["namespace"]), name=probe.name
        )
        try:
            cluster.delete(key)
        except ClusterError as cause:
            report(Noticed(message=f"{key} could not be deleted ({cause.message}); it ends and goes by itself"))
    until_s = clock.monotonic() + _GONE_S
    names = {probe.name for probe in made}
    while made and clock.monotonic() < until_s:
        try:
            left = [pod for pod in _pods(cluster, made) if pod["metadata"]["labels"].get("job-name") in names]
        except ClusterError:
            return
        if not left:
            return
        clock.sleep(_LOOK_S)
