"""What keeps a container or a pod from working, in words, with what mends it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llmdctl.lint.recognition import engine_of, epp_line, is_envoy, sidecar_of
from llmdctl.model.check import Evidence, Outcome
from llmdctl.model.hop import Also
from llmdctl.release.doctor.failures import ENGINE, ENVOY, EPP, SIDECAR, Failure, told
from llmdctl.release.doctor.scene import LivePod, Scene
from llmdctl.release.doctor.verdicts import kubectl
from llmdctl.release.pods import Ailment, Patience, ailments
from llmdctl.release.redaction import redact_text

_SHOWN: Final = 3  # lines of a log
_KINDS: Final = {
    "FailedScheduling": "pending",
    "CrashLoopBackOff": "crash-loop",
    "OOMKilled": "out-of-memory",
    "ImagePullBackOff": "image",
    "ErrImagePull": "image",
    "ErrImageNeverPull": "image",
    "InvalidImageName": "image",
    "RegistryUnavailable": "image",
}
_NO_PATIENCE: Final = Patience(restarts=0, image_pull_s=0.0, unschedulable_s=0.0, config_s=0.0)


def ailing(scene: Scene, pod: LivePod, container: str = "") -> Also | None:
    """The worst that ails a pod, or one of its containers; None when nothing does."""
    found = [
        entry
        for entry in ailments(pod.manifest.value, now_s=scene.now_s, patience=_NO_PATIENCE)
        if not container or entry.container in (container, None)
    ]
    chosen = next((entry for entry in found if entry.reason not in ("FailedScheduling",)), next(iter(found), None))
    if chosen is not None:
        return _told(scene, pod, chosen)
    return _ended(scene, pod, container)


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
    lines = scene.log(pod, container) if kind in ("crash-loop", "out-of-memory") else ()
    meant = told(lines, known_failures(pod, container)) if kind == "crash-loop" else None
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
            "$ llmdctl inventory nodes" if "nvidia" in ailment.message or "gpu" in ailment.message else describe,
            "Free or add what is missing, or ask for less; `llmdctl preflight` names the one change that makes it fit.",
        ]
    if ailment.reason == "OOMKilled":
        limit = _limit(pod, container)
        return (
            f"container {container} was killed for memory{f' (its limit is {limit})' if limit else ''}",
            [f"Raise the memory limit of container {container}.", _set_memory(pod, container)],
        )
    if ailment.reason == "CrashLoopBackOff":
        log = kubectl(f"logs {pod.name} -c {container} --previous", pod.namespace)
        return f"container {container} ends again and again ({ailment.message or 'no exit code'})", [log]
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


def _limit(pod: LivePod, container: str) -> str:
    for found in pod.containers:
        if found.name == container:
            return str(((found.value.get("resources") or {}).get("limits") or {}).get("memory") or "")
    return ""


def _set_memory(pod: LivePod, container: str) -> str:
    kind, name = workload(pod)
    return kubectl(f"set resources {kind}/{name} -c {container} --limits=memory=MORE", pod.namespace)


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
            if (container and name != container) or not keeps or not (over or restarted):
                continue
            ended = over or last
            code = ended.get("exitCode")
            return _told(
                scene,
                pod,
                Ailment(
                    pod=pod.name,
                    container=name,
                    reason="OOMKilled" if ended.get("reason") == "OOMKilled" else "CrashLoopBackOff",
                    message=f"exit code {code}, restarted {row.get('restartCount') or 0} times",
                    final=True,
                    previous_log=not over,
                ),
            )
    return None
