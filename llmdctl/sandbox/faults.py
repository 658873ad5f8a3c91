"""Faults on purpose: set, list, clear. For trying how waiting, failing fast and repairing behave."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from urllib.parse import quote

from llmdctl.errors import UsageError
from llmdctl.sandbox import furnish, plane, record
from llmdctl.sandbox.api import Api, Object, Resource
from llmdctl.sandbox.fault_stages import FAULT, Fault, FaultKind, of_stage, reaches, stages, struck
from llmdctl.sandbox.home import Home, home

_PODS = Resource(path="api/v1", plural="pods")
_LOGS = Resource(path="apis/kwok.x-k8s.io/v1alpha1", plural="logs")
_LOOK_AGAIN = "llmdctl.dev/look-again"  # read by the Stage that carries a pod to Ready
_EFFECT_LIMIT_S = 30.0
_TOUCH_AGAIN_S = 0.5  # kwok learns of a Stage by a watch of its own: a touch may come too early
_DEFAULT_LOG = ("Starting.", "ERROR simulated fault: the process ends with exit code 1")


def fault(
    name: str,
    kind: FaultKind,
    *,
    namespace: str = "",
    pod: str = "",
    labels: Mapping[str, str] | None = None,
    node: str = "",
    container: str = "",
    log: tuple[str, ...] = (),
) -> Fault:
    """Set a fault in the sandbox `name`, and return once whatever it strikes shows it.

    Pods that come later are struck as well, until the fault is cleared. `log` is what a crash-looping container has
    logged. Raises UsageError (a target that does not fit the kind, or is not there), ClusterError.
    """
    wanted = {"namespace": namespace, "pod": pod, "labels": labels, "container": container}
    _check(kind, node, {key for key, value in wanted.items() if value})
    place, ports = _running(name)
    with plane.administrator(place, ports.ports) as api:
        if node and node not in {item["metadata"]["name"] for item in furnish.simulated_nodes(api)}:
            raise UsageError(f"sandbox '{name}' has no node '{node}'")
        made = Fault(
            name=_taken_name(api, place, kind),
            kind=kind,
            namespace=namespace,
            pod=pod,
            labels=dict(labels or {}),
            node=node,
            container=container,
            log=(log or _DEFAULT_LOG) if kind is FaultKind.CRASH_LOOP else (),
        )
        log_file = place.config / f"{made.name}.log"
        furnish.write_log(log_file, made.log)
        for item in stages(made, str(log_file)):
            api.create(furnish.STAGES.url(), item)
        _until(api, made, shown=True)
    return made


def faults(name: str) -> tuple[Fault, ...]:
    """The faults set in a sandbox. Raises UsageError, ClusterError."""
    place, ports = _running(name)
    with plane.administrator(place, ports.ports) as api:
        return _present(api)


def clear_faults(name: str, fault_name: str | None = None) -> tuple[Fault, ...]:
    """Clear one fault, or all, and return those cleared once what they had struck has recovered.

    Raises UsageError when there is no fault of that name, ClusterError.
    """
    place, ports = _running(name)
    with plane.administrator(place, ports.ports) as api:
        present = _present(api)
        chosen = tuple(item for item in present if fault_name in (None, item.name))
        if fault_name is not None and not chosen:
            have = ", ".join(item.name for item in present) or "none"
            raise UsageError(f"sandbox '{name}' has no fault '{fault_name}'", remedy=f"It has: {have}.")
        for item in chosen:
            _delete(api, furnish.STAGES, item)
            _delete(api, _LOGS, item)
            _until(api, item, shown=False)
            (place.config / f"{item.name}.log").unlink(missing_ok=True)
    return chosen


def _check(kind: FaultKind, node: str, pod_words: set[str]) -> None:
    if kind is FaultKind.NODE_NOT_READY:
        if not node or pod_words:
            raise UsageError("a node fault needs a node, and nothing about pods")
    elif node:
        raise UsageError(f"{kind.value} strikes pods, not a node")
    elif not pod_words & {"namespace", "pod", "labels"}:
        raise UsageError(
            "a pod fault needs a namespace, a pod's name or labels", remedy="Add --namespace, for example."
        )


def _running(name: str) -> tuple[Home, record.Record]:
    plane.status(name)
    found = record.read(home(name))
    if found is None or not found.alive:
        raise UsageError(f"sandbox '{name}' is not up", remedy="Bring it up with: llmdctl sandbox up")
    return home(name), found


def _present(api: Api) -> tuple[Fault, ...]:
    found = (of_stage(item) for item in api.items(f"{furnish.STAGES.url()}?labelSelector={quote(FAULT, safe='')}"))
    return tuple({item.name: item for item in sorted(found, key=lambda item: item.name)}.values())


def _taken_name(api: Api, place: Home, kind: FaultKind) -> str:
    """A name that no fault has, and that nobody else takes: its log file, which goes last, is made here and now.

    Two who set faults at once would share one otherwise, and one who clears a fault could take the log of the next.
    """
    present = {item.name for item in _present(api)}
    for number in count(1):
        name = f"{kind.value}-{number}"
        with suppress(FileExistsError):
            if name not in present:
                (place.config / f"{name}.log").touch(exist_ok=False)
                return name
    raise AssertionError("unreachable")


def _targets(api: Api, item: Fault) -> list[Object]:
    """The objects that the fault concerns now: the placed pods it matches, or its node with the pods on it."""
    if item.kind is FaultKind.NODE_NOT_READY:
        on_node = f"{_PODS.url()}?fieldSelector=spec.nodeName%3D{item.node}"
        reached = (pod for pod in api.items(on_node) if _lives(pod) and reaches(item, pod))
        return [api.get(furnish.NODES.url(item.node)), *reached]
    selector = quote(",".join(f"{key}={value}" for key, value in item.labels.items()), safe="")
    pods = api.items(f"{_PODS.url(namespace=item.namespace or None)}?labelSelector={selector}")
    return [pod for pod in filter(_lives, pods) if item.pod in ("", pod["metadata"]["name"])]


def _lives(pod: Object) -> bool:
    """Whether the pod was placed, and neither has ended nor is being deleted."""
    placed = bool(pod["spec"].get("nodeName")) and "deletionTimestamp" not in pod["metadata"]
    return placed and pod["status"].get("phase") in ("Pending", "Running")


def _until(api: Api, item: Fault, *, shown: bool) -> None:
    """Touch what the fault concerns, so that kwok looks at it, until all of it shows the fault (or no longer does)."""
    what = f"{item.name} {'taking effect' if shown else 'ending'}"
    _touch_until(api, what, lambda: [target for target in _targets(api, item) if struck(item, target) != shown])


def _touch_until(api: Api, what: str, remaining: Callable[[], list[Object]]) -> None:
    touched_s = 0.0

    def none_left() -> bool:
        nonlocal touched_s
        left = remaining()
        if left and time.monotonic() - touched_s > _TOUCH_AGAIN_S:
            touched_s = time.monotonic()
            for target in left:
                _touch(api, target)
        return not left

    furnish.until(none_left, what, limit_s=_EFFECT_LIMIT_S)


def _touch(api: Api, target: Object) -> None:
    metadata = target["metadata"]
    kind = _PODS if "namespace" in metadata else furnish.NODES
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    patch = {"metadata": {"annotations": {_LOOK_AGAIN: stamp}}}
    api.merge(kind.url(metadata["name"], namespace=metadata.get("namespace")), patch)


def _delete(api: Api, kind: Resource, item: Fault) -> None:
    """Delete all objects of a kind that belong to the fault."""
    for found in api.items(f"{kind.url()}?labelSelector={quote(f'{FAULT}={item.name}', safe='')}"):
        api.delete(kind.url(found["metadata"]["name"], namespace=found["metadata"].get("namespace")))
