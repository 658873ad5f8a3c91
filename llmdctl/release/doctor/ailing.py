"""What keeps a container or a pod from working, in words, with what mends it. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from llmdctl.lint.manifest import look
from llmdctl.lint.pods import Container
from llmdctl.lint.recognition import engine_of, epp_line, is_envoy, sidecar_of
from llmdctl.model.check import Evidence, Outcome
from llmdctl.model.hop import Also
from llmdctl.model.quantity import amount
from llmdctl.release.doctor.case import epp_in
from llmdctl.release.doctor.failures import ENGINE, ENVOY, EPP, SIDECAR, Failure, told
from llmdctl.release.doctor.scene import LivePod, Scene
from llmdctl.release.doctor.verdicts import kubectl
from llmdctl.release.electing import elects
from llmdctl.release.pods import Ailment, Patience, ailments, seconds_of
from llmdctl.release.redaction import redact_text

_SHOWN: Final = 3  # lines of a log
_KINDS: Final = {
    "FailedScheduling": "pending",
    "CrashLoopBackOff": "crash-loop",
    "Ended": "not-ready",
    "OOMKilled": "out-of-memory",
    "ImagePullBackOff": "image",
    "ErrImagePull": "image",
    "ErrImageNeverPull": "image",
    "InvalidImageName": "image",
    "RegistryUnavailable": "image",
}
_BACKED_OFF_S: Final = 600.0
"""A container that ran for so long is no longer in a crash loop for kubelet:
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy."""
_DEVICE: Final = re.compile(r"Insufficient \S+/\S+")  # an extended resource, such as nvidia.com/gpu
_MORE_MEMORY: Final = 1.5
_GIB: Final = 1024**3
_TELLING: Final = frozenset({"crash-loop", "not-ready"})  # kinds whose cause is in the log
_NO_PATIENCE: Final = Patience(restarts=0, image_pull_s=0.0, unschedulable_s=0.0, config_s=0.0)


def ailing(scene: Scene, pod: LivePod, container: str = "") -> Also | None:
    """The worst that ails a pod, or one of its containers; None when nothing does."""
    found = [
        entry
        for entry in ailments(pod.manifest.value, now_s=scene.now_s, patience=_NO_PATIENCE)
        if (not container or entry.container in (container, None)) and not waits(scene, pod, entry.container or "")
    ]
    chosen = next((entry for entry in found if entry.reason not in ("FailedScheduling",)), next(iter(found), None))
    if chosen is not None:
        return _told(scene, pod, chosen)
    return _ended(scene, pod, container)


def waits(scene: Scene, pod: LivePod, container: str) -> bool:
    """Whether a container is a picker that runs and may wait to be elected: that it is not ready says nothing then."""
    found = epp_in(pod)
    if found is None or found[0].name != container or pod.ready or pod.state(container) != "running":
        return False
    kind, name = workload(pod)
    deployment = scene.named("Deployment", pod.namespace, name) if kind == "deployment" else None
    return deployment is not None and elects(deployment.value) and not _loops(scene, pod.status(container))


def _loops(scene: Scene, status: Mapping[str, Any]) -> bool:
    """Whether what runs at this moment has ended often, and just now."""
    since_s = seconds_since(scene, look(status, "lastState", "terminated", "finishedAt"))
    often = int(status.get("restartCount") or 0) >= Patience().restarts
    return often and since_s is not None and since_s < _BACKED_OFF_S


def seconds_since(scene: Scene, timestamp: object) -> float | None:
    """Seconds since something that Kubernetes dates; None where it does not. The clocks may differ: never below 0."""
    moment_s = seconds_of(timestamp)
    return None if moment_s is None else max(0.0, scene.now_s - moment_s)


def everything(scene: Scene, pods: Sequence[LivePod]) -> tuple[Also, ...]:
    """What ails some pods, those alike in one."""
    alike: dict[tuple[str, str], list[Also]] = {}
    for pod in pods:
        found = ailing(scene, pod)
        if found is not None:
            alike.setdefault((found.kind, found.message), []).append(found)
    return tuple(_together(group) for group in alike.values())


def _together(group: Sequence[Also]) -> Also:
    first = group[0]
    more = f" (and {len(group) - 1} more)" if len(group) > 1 else ""
    return Also(
        kind=first.kind,
        object=f"{first.object}{more}",
        outcome=first.outcome,
        message=first.message,
        remedy=first.remedy,
        evidence=first.evidence,
    )


def known_failures(pod: LivePod, container: str) -> Sequence[Failure]:
    """The failures that are looked for in a container's log, by what it is."""
    for found in pod.containers:
        if found.name == container:
            if epp_line(found) is not None:
                return EPP
            if sidecar_of(found) is not None:
                return SIDECAR
            if engine_of(found) is not None:
                return ENGINE
            if is_envoy(found):
                return ENVOY
    return ENGINE


def _told(scene: Scene, pod: LivePod, ailment: Ailment) -> Also:
    where = f"Pod/{pod.namespace}/{pod.name}"
    kind = _KINDS.get(ailment.reason, "configuration")
    words, remedy = _by_reason(pod, ailment)
    evidence = [Evidence(object=where, observed=str(ailment))]
    container = ailment.container or ""
    lines = scene.log(pod, container) if kind in (*_TELLING, "out-of-memory") else ()
    meant = told(lines, known_failures(pod, container), pod.namespace) if kind in _TELLING else None
    if meant is not None:
        words, remedy = f"{words}: {meant.words}", [meant.remedy, *remedy]
        evidence.append(Evidence(object=f"log of {container}", observed=redact_text(meant.line)[:300]))
    else:
        evidence += [
            Evidence(object=f"log of {container}", observed=redact_text(line)[:300]) for line in lines[-_SHOWN:]
        ]
    return Also(
        kind=kind, object=where, outcome=Outcome.FAIL, message=words, remedy=tuple(remedy), evidence=tuple(evidence)
    )


def _by_reason(pod: LivePod, ailment: Ailment) -> tuple[str, list[str]]:
    describe = kubectl(f"describe pod {pod.name}", pod.namespace)
    container = ailment.container or ""
    if ailment.reason == "FailedScheduling":
        return f"it is on no node: {ailment.message or 'the scheduler says nothing'}", [
            "$ llmdctl inventory nodes" if _DEVICE.search(ailment.message) else describe,
            "Free or add what is missing, or ask for less; `llmdctl preflight` names the one change that makes it fit.",
        ]
    if ailment.reason == "OOMKilled":
        return _by_memory(pod, container)
    if _KINDS.get(ailment.reason) in _TELLING:
        previous = " --previous" if ailment.previous_log else ""
        again = f"ends again and again ({ailment.message or 'no exit code'})"
        words = again if ailment.reason == "CrashLoopBackOff" else ailment.message
        return f"container {container} {words}", [kubectl(f"logs {pod.name} -c {container}{previous}", pod.namespace)]
    if _KINDS.get(ailment.reason) == "image":
        image = next((found.image for found in pod.containers if found.name == container), "")
        return (
            f"the image {image or 'of ' + container} cannot be pulled: {ailment.message or ailment.reason}",
            ["Correct the image, or give the pod a pull secret for its registry.", describe],
        )
    if ailment.reason == "CreateContainerConfigError":
        return f"container {container} cannot be made: {ailment.message}", [
            "Make the Secret or ConfigMap that the message names, with that key.",
            kubectl("get secrets,configmaps", pod.namespace),
        ]
    more = ["Raise its ephemeral-storage or memory request."] if ailment.reason == "Evicted" else []
    return f"{ailment.reason}: {ailment.message}".removesuffix(": "), [*more, describe]


def _by_memory(pod: LivePod, container: str) -> tuple[str, list[str]]:
    limit = next((_limit(found) for found in pod.containers if found.name == container), "")
    bytes_ = amount(limit) if limit else None
    if bytes_ is None:
        return f"container {container} was killed for memory, without a limit of its own: the node had no more", [
            "Give it a request and a limit, so that it is placed where there is enough.",
            kubectl(f"describe pod {pod.name}", pod.namespace),
        ]
    kind, name = workload(pod)
    more = f"{math.ceil(bytes_ * _MORE_MEMORY / _GIB)}Gi"
    return f"container {container} was killed for memory (its limit is {limit})", [
        f"Raise the memory limit of container {container}, in the values too, or the next install takes it back.",
        kubectl(f"set resources {kind}/{name} -c {container} --limits=memory={more}", pod.namespace),
    ]


def _limit(container: Container) -> str:
    return str(((container.value.get("resources") or {}).get("limits") or {}).get("memory") or "")


def workload(pod: LivePod) -> tuple[str, str]:
    """What made a pod, as kubectl names it: the Deployment behind a ReplicaSet."""
    for row in pod.manifest.rows("metadata", "ownerReferences"):
        kind, name = str(row.get("kind") or "").lower(), str(row.get("name") or "")
        return ("deployment", name.rpartition("-")[0]) if kind == "replicaset" else (kind, name)
    return "pod", pod.name


def _ended(scene: Scene, pod: LivePod, container: str) -> Also | None:
    """A container that ended and is not in back-off yet, with code 0 too: a sidecar with a wrong value ends so."""
    for kind in ("containerStatuses", "initContainerStatuses"):
        for row in pod.manifest.rows("status", kind):
            name = str(row.get("name"))
            over: Mapping[str, Any] = (row.get("state") or {}).get("terminated") or {}
            last: Mapping[str, Any] = (row.get("lastState") or {}).get("terminated") or {}
            restarted = bool(last) and not row.get("ready") and int(row.get("restartCount") or 0) > 0
            keeps = kind == "containerStatuses" or any(c.name == name and c.sidecar for c in pod.containers)
            if (container and name != container) or not keeps or not (over or restarted) or waits(scene, pod, name):
                continue
            ended = over or last
            return _told(scene, pod, _of_end(scene, pod, row, ended, running=not over))
    return None


def _of_end(
    scene: Scene, pod: LivePod, row: Mapping[str, Any], ended: Mapping[str, Any], *, running: bool
) -> Ailment:  # fmt: skip
    """Once is not again and again: a container may have been killed, and be starting since."""
    code, restarts = ended.get("exitCode"), int(row.get("restartCount") or 0)
    ago_s = seconds_since(scene, ended.get("finishedAt"))
    when = "" if ago_s is None else f" {duration(ago_s)} ago"
    reason, message = "CrashLoopBackOff", f"exit code {code}, restarted {restarts} times"
    if ended.get("reason") == "OOMKilled":
        reason = "OOMKilled"
    elif restarts < 2:
        again = ", was started again, and is not ready since" if running else ""
        reason, message = "Ended", f"ended{when} (exit code {code}){again}"
    return Ailment(
        pod=pod.name, container=str(row.get("name")), reason=reason, message=message, final=True, previous_log=running
    )


def duration(seconds: float) -> str:
    """`40 s`, `7 min`, `3 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
