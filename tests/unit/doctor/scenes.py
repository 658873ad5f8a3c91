"""A case of tests/cases/doctor as a scene: objects out of parts, changed; pods as controllers would make them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from llmdctl.lint import Manifest
from llmdctl.lint.pods import pods_of
from llmdctl.lint.recognition import engine_of, epp_line
from llmdctl.model.hop import Diagnosis
from llmdctl.release.doctor import Scene, diagnose
from llmdctl.release.doctor.scene import Answer, AskedKey, LogKey, Tried, Unread
from tests import documents
from tests.unit.case_file import CaseFile, merged

FOLDER = Path(__file__).resolve().parents[2] / "cases" / "doctor"
NOW_S = 1_800_000_000.0
MODEL = "Qwen/Qwen3-32B"
NAMESPACE = "llm"


@dataclass(frozen=True)
class FaultCase(CaseFile):
    """One file."""

    @cached_property
    def diagnosis(self) -> Diagnosis:
        return diagnose(
            scene_of(self.data),
            namespace=NAMESPACE,
            pool=str(self.data.get("pool") or ""),
            model=str(self.data.get("model") or ""),
        )


@cache
def all_cases() -> tuple[FaultCase, ...]:
    return tuple(FaultCase(file) for file in sorted(FOLDER.glob("*.yaml")))


def scene_of(data: Mapping[str, Any]) -> Scene:
    objects = {_key(obj): obj for obj in _parts(data["parts"])}
    for obj in data.get("add", ()):
        objects[_key(obj)] = obj
    for change in data.get("change", ()):
        _change(objects, change)
    pods = {pod["metadata"]["name"]: pod for obj in objects.values() for pod in _pods(obj)}
    for change in data.get("pods", ()):
        for name in [name for name in pods if name.startswith(change["pod"])]:
            if change.get("remove"):
                del pods[name]
            else:
                pods[name] = merged(pods[name], _status(pods[name], change))
    unread = tuple(Unread(**{"namespace": NAMESPACE, **row}) for row in data.get("unread", ()))
    hidden = {entry.kind for entry in unread}
    every = tuple(obj for obj in (*objects.values(), *pods.values()) if obj["kind"] not in hidden)
    logs = {LogKey(NAMESPACE, *key.split("/")): tuple(text.splitlines()) for key, text in _logs(data, pods)}
    return Scene(
        objects=every,
        server="https://cluster.example:6443",
        version="1.34.4",
        now_s=NOW_S,
        unread=unread,
        logs=logs,
        answers=_answers(data, every),
        names=data.get("names", {}),
        tried=_tried(data),
    )


def living(objects: Iterable[Mapping[str, Any]], *, pool: str) -> Scene:
    """Objects as they are, with pods that controllers would make of them, all of them ready, and what those answer."""
    found = [dict(obj) for obj in objects]
    every = (*found, *(pod for obj in found for pod in _pods(obj)))
    answer = Tried(entrance="the entrance", model="any", answer=Answer(status=200, body="{}"), took_s=0.1)
    return Scene(
        objects=every, server="https://cluster.example:6443", version="1.34.4", now_s=NOW_S,
        answers=_answers({}, every, pool), tried={f"{NAMESPACE}/{pool}": answer},
    )  # fmt: skip


def _parts(names: list[str]) -> Iterator[dict[str, Any]]:
    for name in names:
        yield from copy.deepcopy(_part(name))


@cache
def _part(name: str) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = documents.load((FOLDER / "parts" / f"{name}.yaml").read_text())
    return read


def _key(obj: Mapping[str, Any]) -> str:
    return f"{obj['kind']}/{obj['metadata']['name']}"


def _change(objects: dict[str, dict[str, Any]], change: Mapping[str, Any]) -> None:
    key = change["object"]
    assert key in objects, f"{key} is not among {sorted(objects)}"
    if change.get("remove"):
        del objects[key]
        return
    obj = objects[key]
    if "merge" in change:
        obj = merged(obj, change["merge"])
    for row in change.get("replace", ()):  # text inside the whole object
        text = json.dumps(obj)
        old, new = json.dumps(row["old"])[1:-1], json.dumps(row["new"])[1:-1]
        assert old in text, f"{row['old']} is not in {key}"
        obj = json.loads(text.replace(old, new))
    objects[key] = obj


def _pods(obj: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Pods of a Deployment or of the groups of a LeaderWorkerSet, all of them ready."""
    name = obj["metadata"]["name"]
    if obj["kind"] == "Deployment":
        for index in range(obj["spec"].get("replicas", 1)):
            owner = {"kind": "ReplicaSet", "name": f"{name}-7c9f", "controller": True}
            yield _pod(obj, f"{name}-7c9f-{index}", obj["spec"]["template"], owner)
    if obj["kind"] == "LeaderWorkerSet":
        group = obj["spec"]["leaderWorkerTemplate"]
        owner = {"kind": "StatefulSet", "name": name, "controller": True}
        for replica in range(obj["spec"].get("replicas", 1)):
            yield _pod(obj, f"{name}-{replica}", group.get("leaderTemplate") or group["workerTemplate"], owner)
            for worker in range(1, group.get("size", 1)):
                yield _pod(obj, f"{name}-{replica}-{worker}", group["workerTemplate"], owner)


def _pod(obj: Mapping[str, Any], name: str, template: Mapping[str, Any], owner: Mapping[str, Any]) -> dict[str, Any]:
    spec = copy.deepcopy(template["spec"])
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": obj["metadata"]["namespace"],
            "labels": dict(template["metadata"]["labels"]),
            "creationTimestamp": "2027-01-01T00:00:00Z",
            "ownerReferences": [dict(owner)],
        },
        "spec": spec,
        "status": {
            "phase": "Running",
            "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}],
            "containerStatuses": [_running(row["name"]) for row in spec["containers"]],
            "initContainerStatuses": [_running(row["name"]) for row in spec.get("initContainers", ())],
        },
    }


def _running(name: str) -> dict[str, Any]:
    return {"name": name, "ready": True, "restartCount": 0, "state": {"running": {}}}


def _status(pod: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """A pod's status from a short form: `pending: MESSAGE`, or `container` with `started`/`waiting`/`ended`/`restarts`.

    Neither waiting nor ready, the container runs: since `started`, where that is stated.
    """
    made: dict[str, Any] = copy.deepcopy(dict(change.get("merge") or {}))
    unready = [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "False"}]
    if "pending" in change:
        unscheduled = {
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": change["pending"],
            "lastTransitionTime": "2027-01-01T00:00:00Z",
        }  # fmt: skip
        made["status"] = {
            "phase": "Pending", "conditions": [unscheduled], "containerStatuses": None, "initContainerStatuses": None
        }  # fmt: skip
    if "container" in change:
        row: dict[str, Any] = {"ready": False, "restartCount": change.get("restarts", 0), "state": {"running": {}}}
        if "started" in change:
            row["state"] = {"running": {"startedAt": change["started"]}}
        if "waiting" in change:
            row["state"] = {"running": None, "waiting": change["waiting"]}
        if "ended" in change:
            row["lastState"] = {"terminated": change["ended"]}
        kind = "containerStatuses"
        if change["container"] not in [entry["name"] for entry in pod["status"][kind]]:
            kind = "initContainerStatuses"
        own = {"conditions": unready, kind: [{"name": change["container"], **row}]}
        made["status"] = {**(made.get("status") or {}), **own}
    return made


def _logs(data: Mapping[str, Any], pods: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """`pod-prefix/container` -> text."""
    for key, text in (data.get("logs") or {}).items():
        prefix, container = key.split("/")
        yield from ((f"{name}/{container}", text) for name in pods if name.startswith(prefix))


def _answers(
    data: Mapping[str, Any], objects: tuple[Mapping[str, Any], ...], pool: str = "qwen"
) -> dict[AskedKey, tuple[Answer, ...]]:
    """Pages as healthy pods give them, then those that the case states: `pod-prefix:port/path` -> answers."""
    found: dict[AskedKey, tuple[Answer, ...]] = {}
    ready = 0
    pickers: list[tuple[str, int]] = []
    for manifest in (Manifest(value=obj) for obj in objects if obj["kind"] == "Pod"):
        pod = next(iter(pods_of(manifest)))
        up = any(
            row.get("type") == "Ready" and row["status"] == "True" for row in manifest.rows("status", "conditions")
        )
        for container in pod.containers():
            engine, line = engine_of(container), epp_line(container)
            if engine is not None and engine.port is not None and up:
                ready += 1
                names = [{"id": name} for name in (*engine.served_names, *engine.adapters)]
                pages = {
                    "/health": "",
                    "/v1/models": json.dumps({"data": names}),
                    "/metrics": "vllm:num_requests_running 0\n",
                }
                for path, body in pages.items():
                    found[AskedKey(NAMESPACE, manifest.name, engine.port, path)] = (Answer(status=200, body=body),)
            if line is not None and up:
                pickers.append((manifest.name, line.integer("--metrics-port") or 9090))
    for name, port in pickers:
        body = f'inference_pool_ready_pods{{name="{pool}"}} {ready}\n'
        found[AskedKey(NAMESPACE, name, port, "/metrics")] = (Answer(status=200, body=body),)
    for key, rows in (data.get("answers") or {}).items():
        prefix, _, rest = key.partition(":")
        port, _, path = rest.partition("/")
        names = [obj["metadata"]["name"] for obj in objects if obj["kind"] == "Pod"]
        for name in (name for name in names if name.startswith(prefix)):
            found[AskedKey(NAMESPACE, name, int(port), f"/{path}")] = tuple(Answer(**row) for row in rows)
    return found


def _tried(data: Mapping[str, Any]) -> dict[str, Tried]:
    asked = data.get("request", {"status": 200, "body": "{}"})
    if asked is None:
        return {}
    return {
        "llm/qwen": Tried(
            entrance="the entrance", model=str(data.get("model") or MODEL), answer=Answer(**asked), took_s=0.1
        )
    }
