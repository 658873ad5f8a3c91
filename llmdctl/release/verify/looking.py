"""Looking at the objects of a release: pods of its roles, its endpoint picker, what scales it."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any, Final

from llmdctl.errors import ClusterError
from llmdctl.kube import Cluster, KubernetesObject, key_of
from llmdctl.lint.pods import WORKER_INDEX
from llmdctl.model.quantity import exact
from llmdctl.prometheus import Ask
from llmdctl.release.reading import find_all
from llmdctl.release.sleeping import is_at_zero, waker
from llmdctl.release.verify.asking import answers
from llmdctl.release.verify.entrance import is_ready
from llmdctl.release.verify.observed import Autoscaling, EnginePod, EppPod, Sleep
from llmdctl.release.verify.stack import Role, Stack

_LOG_BYTES: Final = 256 * 1024
_READ: Final = frozenset(
    {"ConfigMap", "InferencePool", "HTTPRoute", "Deployment", "LeaderWorkerSet", "Gateway", "GCPBackendPolicy"}
)
_METRIC: Final = "external.metrics.k8s.io/v1beta1"


def engine_pods(cluster: Cluster, stack: Stack) -> tuple[EnginePod, ...]:
    """Every pod of every role; of a group, its leader, and the others where they serve too."""
    found: dict[str, EnginePod] = {}
    for role in stack.roles:
        labels = {key: str(value) for key, value in role.labels.items() if key != WORKER_INDEX}
        for pod in cluster.list_objects("v1", "Pod", namespace=stack.namespace, labels=labels):
            if role.members > 1 or (pod["metadata"].get("labels") or {}).get(WORKER_INDEX, "0") == "0":
                found.setdefault(str(pod["metadata"]["name"]), _engine_pod(pod, role))
    return tuple(found.values())


def _engine_pod(pod: KubernetesObject, role: Role) -> EnginePod:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    rows = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    own: Mapping[str, Any] = next((row for row in rows if row.get("name") == role.engine.container.name), {})
    return EnginePod(
        name=str(pod["metadata"]["name"]),
        namespace=str(pod["metadata"].get("namespace", "")),
        role=role.name,
        ready=is_ready(pod),
        phase=str(status.get("phase", "")),
        reason=_reason(status),
        node=str(spec.get("nodeName") or ""),
        image=str(own.get("image", "")),
        args=tuple(str(word) for word in own.get("args") or ()),
    )


def _reason(status: Mapping[str, Any]) -> str:
    for row in status.get("containerStatuses") or ():
        waiting = (row.get("state") or {}).get("waiting") or {}
        if waiting.get("reason"):
            return str(waiting["reason"])
    for row in status.get("conditions") or ():
        if row.get("type") == "PodScheduled" and row.get("status") == "False":
            return str(row.get("message") or row.get("reason"))
    return ""


def epp_pods(cluster: Cluster, stack: Stack) -> tuple[EppPod, ...]:
    """Every pod of the endpoint picker, with the first lines of its log."""
    if stack.epp is None:
        return ()
    container = stack.epp.container
    labels = {key: str(value) for key, value in container.pod.labels.items()}
    pods = cluster.list_objects("v1", "Pod", namespace=stack.namespace, labels=labels)
    return tuple(_epp_pod(cluster, pod, container.name) for pod in pods)


def _epp_pod(cluster: Cluster, pod: KubernetesObject, container: str) -> EppPod:
    name, namespace = str(pod["metadata"]["name"]), str(pod["metadata"].get("namespace", ""))
    rows = (pod.get("status") or {}).get("containerStatuses") or ()
    own: Mapping[str, Any] = next((row for row in rows if row.get("name") == container), {})
    return EppPod(
        name=name,
        namespace=namespace,
        ready=is_ready(pod),
        started_s=_moment(((own.get("state") or {}).get("running") or {}).get("startedAt")),
        annotations=pod["metadata"].get("annotations") or {},
        log=first_lines(cluster, namespace, name, container),
    )


def first_lines(cluster: Cluster, namespace: str, pod: str, container: str) -> tuple[str, ...] | str:
    """The beginning of a log, or why it cannot be read."""
    try:
        return cluster.first_logs(namespace, pod, container, limit_bytes=_LOG_BYTES)
    except ClusterError as error:
        return error.message


def _moment(text: object) -> float | None:
    try:
        return datetime.datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None


def live_objects(cluster: Cluster, stack: Stack) -> dict[str, KubernetesObject]:
    """Kind/name -> the objects that proofs compare with what was rendered."""
    keys = [key_of(obj) for obj in stack.objects if obj.get("kind") in _READ]
    return {str(key): obj for key, obj in find_all(cluster, keys).items()}


def sleeps(cluster: Cluster, stack: Stack, engines: Iterable[EnginePod]) -> tuple[Sleep, ...]:
    """Roles at zero that somebody brings back. Asked only where a role has no pod."""
    there = {pod.role for pod in engines}
    empty = [role for role in stack.roles if role.name not in there]
    if not empty:
        return ()
    targets = {_workload(role) for role in empty}
    scaled = _listed(cluster, "keda.sh/v1alpha1", "ScaledObject", stack.namespace, targets)
    live = live_objects(cluster, stack)
    found = []
    for role in empty:
        workload = live.get("/".join(_workload(role)))
        item = waker(workload, scaled) if workload and is_at_zero(workload) and not isinstance(scaled, str) else None
        if item is not None and workload is not None:
            found.append(Sleep(role=role.name, workload=_place(workload), waker=_place(item)))
    return tuple(found)


def _workload(role: Role) -> tuple[str, str]:
    workload = role.engine.container.pod.workload
    return str(workload.kind), str(workload.name)


def _place(obj: KubernetesObject) -> str:
    return f"{obj.get('kind')}/{obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}"


def autoscaling(cluster: Cluster, stack: Stack, prometheus: Ask | None = None) -> Autoscaling:
    """ScaledObjects of the release, HPAs of its workloads, the external metrics that these read, and what Prometheus
    says to their queries: the one that is given, else the one that KEDA asks."""
    targets = {_workload(role) for role in stack.roles}
    scaled = _listed(cluster, "keda.sh/v1alpha1", "ScaledObject", stack.namespace, targets)
    hpas = _listed(cluster, "autoscaling/v2", "HorizontalPodAutoscaler", stack.namespace, targets)
    external = _external(cluster, stack.namespace, () if isinstance(hpas, str) else hpas)
    asked = answers(cluster, () if isinstance(scaled, str) else scaled, prometheus)
    return Autoscaling(scaled_objects=scaled, hpas=hpas, external=external, answers=asked)


def _listed(
    cluster: Cluster, api_version: str, kind: str, namespace: str, targets: set[tuple[str, str]]
) -> tuple[KubernetesObject, ...] | str:
    try:
        found = cluster.list_objects(api_version, kind, namespace=namespace)
    except ClusterError as error:
        return error.message
    return tuple(obj for obj in found if _target(obj) in targets)


def _target(obj: KubernetesObject) -> tuple[str, str]:
    reference = (obj.get("spec") or {}).get("scaleTargetRef") or {}
    return str(reference.get("kind") or "Deployment"), str(reference.get("name", ""))


def _external(cluster: Cluster, namespace: str, hpas: Iterable[KubernetesObject]) -> dict[str, float | str]:
    found: dict[str, float | str] = {}
    for hpa in hpas:
        for row in (hpa.get("spec") or {}).get("metrics") or ():
            metric = (row.get("external") or {}).get("metric") or {}
            if row.get("type") == "External" and metric.get("name"):
                found[f"{key_of(hpa).name}/{metric['name']}"] = _value(cluster, namespace, metric)
    return found


def _value(cluster: Cluster, namespace: str, metric: Mapping[str, Any]) -> float | str:
    """The sum of what the external metrics API gives, or why it gives nothing."""
    labels = (metric.get("selector") or {}).get("matchLabels") or {}
    query = {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())}
    path = f"/apis/{_METRIC}/namespaces/{namespace}/{metric['name']}"
    what = f"read the external metric {metric['name']}"
    try:
        answer = cluster.exchange("GET", path, query=query).checked(what=what).document(what=what)
    except ClusterError as error:
        return error.message
    rows = answer.get("items") or ()
    values = [value for row in rows if (value := exact(row.get("value"))) is not None]
    if not values:
        return f"{what}: the answer has no value"
    return float(sum(values))
