"""A fault as a kwok Stage: pure, from what is wanted to the object that makes it so.

Faults carry a weight and the ordinary stages none, so a fault wins wherever both match. It matches by namespace, name
and labels, and so also strikes pods that are created later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

FAULT = "llmdctl.dev/fault"  # label of the Stage, and of what it brings about
_SPECIFICATION = "llmdctl.dev/fault-specification"
_WEIGHT = 100
_TEMPLATES = Path(__file__).parent / "stages" / "faults"

Object = dict[str, Any]


class FaultKind(Enum):
    """What can go wrong."""

    CRASH_LOOP = "crash-loop"
    IMAGE_PULL = "image-pull"
    NODE_NOT_READY = "node-not-ready"


_NOT_DELETED: Object = {"jq": {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}}
_CRASHED_EVENT: Object = {
    "event": {"type": "Warning", "reason": "BackOff", "message": "Back-off restarting failed container"}
}
_UNPULLED_EVENT: Object = {"event": {"type": "Warning", "reason": "Failed", "message": "Error: ImagePullBackOff"}}
_NODE_EVENT: Object = {
    "event": {"type": "Normal", "reason": "NodeNotReady", "message": "Simulated fault: the node is lost"}
}

# What kubelet says of a waiting container.
_REASONS = {FaultKind.CRASH_LOOP: "CrashLoopBackOff", FaultKind.IMAGE_PULL: "ImagePullBackOff"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One fault. A pod fault strikes the pods of `namespace` that have `pod` as their name and all `labels`, as far as
    given; a node fault strikes `node`. `container` is the container that fails, the first one if empty.
    """

    name: str
    kind: FaultKind
    namespace: str = ""
    pod: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    node: str = ""
    container: str = ""
    log: tuple[str, ...] = ()


def stages(fault: Fault, log_file: str) -> list[Object]:
    """The Stages that bring the fault about. `log_file` is what the failing container has logged.

    A lost node takes two: the node, and its pods, which the node controller of a real cluster marks unready.
    """
    if fault.kind is not FaultKind.NODE_NOT_READY:
        return [_stage(fault, fault.name, "Pod", _pod_selector(fault), _pod_steps(fault, log_file))]
    ready = _is('.status.conditions[]? | select(.type == "Ready") | .status', "True")
    node = {"matchExpressions": [_is(".metadata.name", fault.node), ready]}
    pods = {"matchExpressions": [_is(".spec.nodeName", fault.node), _NOT_DELETED, ready]}
    return [
        _stage(fault, fault.name, "Node", node, [_NODE_EVENT, _status_patch("node-status")]),
        _stage(fault, f"{fault.name}-pods", "Pod", pods, [_status_patch("unready-status")]),
    ]


def _stage(fault: Fault, name: str, kind: str, selector: Object, steps: list[Object]) -> Object:
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {
            "name": name,
            "labels": {FAULT: fault.name},
            "annotations": {_SPECIFICATION: json.dumps(asdict(fault) | {"kind": fault.kind.value})},
        },
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": selector,
            "weight": _WEIGHT,
            "steps": steps,
        },
    }


def of_stage(item: Object) -> Fault:
    """The fault that a Stage in the cluster stands for."""
    data = json.loads(item["metadata"]["annotations"][_SPECIFICATION])
    return Fault(**data | {"kind": FaultKind(data["kind"]), "log": tuple(data["log"])})


def struck(fault: Fault, item: Object) -> bool:
    """Whether the object (a Pod or a Node) shows the fault."""
    status = item.get("status", {})
    if fault.kind is FaultKind.NODE_NOT_READY:
        return any(found["type"] == "Ready" and found["status"] != "True" for found in status.get("conditions", []))
    waiting = (state.get("state", {}).get("waiting", {}) for state in status.get("containerStatuses", []))
    return any(state.get("reason") == _REASONS[fault.kind] for state in waiting)


def reaches(fault: Fault, pod: Object) -> bool:
    """Whether the fault decides if the pod is ready: a lost node does not where a container fails anyway."""
    failing = any(not state.get("ready") for state in pod.get("status", {}).get("containerStatuses", []))
    return fault.kind is not FaultKind.NODE_NOT_READY or not failing


def _pod_selector(fault: Fault) -> Object:
    shown = f'[.status.containerStatuses[]?.state.waiting.reason] | any(. == "{_REASONS[fault.kind]}")'
    wanted = [_is(".metadata.namespace", fault.namespace)] if fault.namespace else []
    wanted += [_is(".metadata.name", fault.pod)] if fault.pod else []
    labels = {"matchLabels": dict(fault.labels)} if fault.labels else {}
    return {"matchExpressions": [*wanted, _NOT_DELETED, _is(shown, "false")], **labels}


def _is(key: str, value: str) -> Object:
    return {"jq": {"key": key, "operator": "In", "values": [value]}}


def _pod_steps(fault: Fault, log_file: str) -> list[Object]:
    crash = fault.kind is FaultKind.CRASH_LOOP
    phase = "Running" if crash else "Pending"
    state = _template(fault.kind.value)
    patch = _status_patch("pod-status", phase=phase, container=json.dumps(fault.container), state=state)
    if not crash:
        return [_UNPULLED_EVENT, patch]
    own_log = _template("pod-logs", fault=json.dumps(fault.name), file=json.dumps(log_file))
    return [_CRASHED_EVENT, {"apply": {"template": own_log}}, patch]


def _status_patch(name: str, **values: str) -> Object:
    template = _template(name, **values)
    return {"patch": {"subresource": "status", "root": "status", "type": "strategic", "template": template}}


def _template(name: str, **values: str) -> str:
    """A Go template of ours, with `@name@` replaced: braces and dollars belong to Go."""
    text = (_TEMPLATES / f"{name}.gotmpl").read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text
