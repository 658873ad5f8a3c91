"""Looking: what a diagnosis needs of a cluster, read with as few requests as that takes. Nothing is changed."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from llmdctl.errors import ClusterError, ForbiddenError, NoKubeletError, PodGoneError, UnreachableError
from llmdctl.kube import Cluster, KubernetesObject
from llmdctl.lint.manifest import rows
from llmdctl.model.check import Outcome
from llmdctl.model.hop import HopName
from llmdctl.model.release import ObjectKey
from llmdctl.release.clock import SYSTEM_CLOCK, Clock
from llmdctl.release.doctor.asking import Entrance, ask, entrance_of
from llmdctl.release.doctor.case import Case, engine_in
from llmdctl.release.doctor.chaining import judge
from llmdctl.release.doctor.discovering import cases
from llmdctl.release.doctor.hops import before, endpoint, leading
from llmdctl.release.doctor.hops.engine import may_wake, running
from llmdctl.release.doctor.hops.model import names_of
from llmdctl.release.doctor.logs import PODS, read_log, wanted_logs
from llmdctl.release.doctor.resolving import resolved
from llmdctl.release.doctor.scene import Answer, AskedKey, LivePod, Scene, Tried, Unread
from llmdctl.release.doctor.statuses import RESET
from llmdctl.release.metrics_token import metrics_token
from llmdctl.release.reading import at_once

_NAMESPACED: Final = (
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet"),
    ("disaggregatedset.x-k8s.io/v1", "DisaggregatedSet"),
    ("inference.networking.k8s.io/v1", "InferencePool"),
    ("inference.networking.x-k8s.io/v1alpha2", "InferencePool"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("gateway.networking.k8s.io/v1beta1", "ReferenceGrant"),
    ("networking.istio.io/v1beta1", "DestinationRule"),
    ("networking.istio.io/v1", "DestinationRule"),
    ("networking.gke.io/v1", "HealthCheckPolicy"),
    ("networking.gke.io/v1", "GCPBackendPolicy"),
    ("llm-d.ai/v1alpha2", "InferenceObjective"),
    ("inference.networking.x-k8s.io/v1alpha2", "InferenceObjective"),
    ("llm-d.ai/v1alpha2", "InferenceModelRewrite"),
    ("keda.sh/v1alpha1", "ScaledObject"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
)
_CLUSTER_WIDE: Final = (("gateway.networking.k8s.io/v1", "GatewayClass"),)
_LOOK_S: Final = 3.0  # of one page
_BETWEEN_S: Final = 3.0  # two looks at an engine that has requests: even 1 token/s shows
_LOOKS: Final = 2  # more, at a picker: it counts its pods anew every 5 s (--refresh-prometheus-metrics-interval)


def observe(
    cluster: Cluster,
    *,
    namespace: str = "",
    release: str = "",
    pool: str = "",
    model: str = "",
    request: bool = True,
    timeout_s: float = 60.0,
    clock: Clock = SYSTEM_CLOCK,
) -> Scene:
    """What there is in a namespace, or in all of them when it is empty, and what the parts of each chain say.

    With `request`, one completion of one token is sent through the entrance of every chain that nothing is wrong with.
    Raises UnreachableError and UnauthenticatedError; what may not be read is in the scene.
    """
    scene = _objects(cluster, namespace, clock)
    chosen = {"release": release, "pool": pool, "namespace": namespace, "model": model}
    scene = _secrets(cluster, scene, cases(scene, **chosen))
    scene = _leases(cluster, scene, cases(scene, **chosen))
    scene = _said(cluster, scene, cases(scene, **chosen), clock)
    if not request:
        return scene
    tried: dict[str, Tried] = {}
    for case in cases(scene, **chosen):
        if judge(case).broken is None and not may_wake(case):
            tried[case.key] = _try(cluster, case, timeout_s, clock)
    return scene.heard(tried=tried)


def _objects(cluster: Cluster, namespace: str, clock: Clock) -> Scene:
    served = cluster.served()
    kinds = [(*kind, namespace) for kind in _NAMESPACED if served.find(*kind) is not None]
    kinds += [(*kind, "") for kind in _CLUSTER_WIDE if served.find(*kind) is not None]
    read = at_once(lambda kind: _list(cluster, *kind), kinds)
    objects = [obj for found in read if not isinstance(found, Unread) for obj in found]
    unread = [found for found in read if isinstance(found, Unread)]
    more, refused = _elsewhere(cluster, objects, namespace)
    unique = {_identity(obj): obj for obj in (*objects, *more)}
    scene = Scene(
        objects=tuple(unique.values()),
        server=cluster.server,
        version=cluster.version(),
        now_s=clock.now(),
        unread=(*unread, *refused),
    )
    return replace(scene, names=resolved(_host_names(scene)))


def _identity(obj: KubernetesObject) -> tuple[str, str, str, str]:
    metadata = obj.get("metadata") or {}
    group = str(obj.get("apiVersion", "")).rpartition("/")[0]  # of two versions of one API, the first is enough
    return group, str(obj.get("kind")), str(metadata.get("namespace") or ""), str(metadata.get("name"))


def _list(cluster: Cluster, version: str, kind: str, namespace: str) -> tuple[KubernetesObject, ...] | Unread:
    try:
        found = cluster.list_objects(version, kind, namespace=namespace or None)
    except ForbiddenError as refusal:
        resource = cluster.served().find(version, kind)
        group = version.rpartition("/")[0]
        plural = resource.plural if resource is not None else kind.lower()
        right = f"list {plural}.{group}" if group else f"list {plural}"
        return Unread(kind=kind, namespace=namespace, message=refusal.message, right=right)
    except UnreachableError:
        raise
    except ClusterError as failure:
        return Unread(kind=kind, namespace=namespace, message=failure.message)
    return tuple({"apiVersion": version, "kind": kind, **item} for item in found)


def _elsewhere(
    cluster: Cluster, objects: Iterable[KubernetesObject], namespace: str
) -> tuple[list[KubernetesObject], list[Unread]]:
    """Gateways and pools in other namespaces that routes of this one refer to."""
    if not namespace:
        return [], []
    referred = [key for obj in objects if obj.get("kind") == "HTTPRoute" for key in _referred(obj, namespace)]
    grants = {str(key.namespace) for key in referred if key.kind == "InferencePool"}
    found: list[KubernetesObject] = []
    refused: list[Unread] = []
    for key in dict.fromkeys(referred):
        try:
            obj = cluster.get(key)
        except ClusterError as failure:
            refused.append(_unread(key, failure))
            continue
        found += [obj] if obj is not None else []
    for other in sorted(grants):
        listed = _list(cluster, "gateway.networking.k8s.io/v1beta1", "ReferenceGrant", other)
        if isinstance(listed, Unread):
            refused.append(listed)
        else:
            found += listed
    return found, refused


def _referred(route: KubernetesObject, namespace: str) -> Iterator[ObjectKey]:
    for parent in rows(route, "spec", "parentRefs"):
        if str(parent.get("kind") or "Gateway") == "Gateway" and parent.get("namespace") not in (None, namespace):
            yield _key("gateway.networking.k8s.io/v1", "Gateway", parent)
    for rule in rows(route, "spec", "rules"):
        for backend in rows(rule, "backendRefs"):
            if backend.get("kind") == "InferencePool" and backend.get("namespace") not in (None, namespace):
                yield _key("inference.networking.k8s.io/v1", "InferencePool", backend)


def _key(version: str, kind: str, reference: Any) -> ObjectKey:  # noqa: ANN401 - a part of a route
    return ObjectKey(
        api_version=version, kind=kind, namespace=str(reference.get("namespace")), name=str(reference.get("name"))
    )


def _unread(key: ObjectKey, failure: ClusterError) -> Unread:
    right = f"get {key.kind.lower()}s" if isinstance(failure, ForbiddenError) else ""
    return Unread(kind=key.kind, namespace=key.namespace or "", message=failure.message, right=right)


def _host_names(scene: Scene) -> tuple[str, ...]:
    return tuple(
        str(entry.get("value"))
        for gateway in scene.of("Gateway")
        for entry in gateway.rows("status", "addresses")
        if entry.get("type") == "Hostname"
    )


def _secrets(cluster: Cluster, scene: Scene, chosen: Iterable[Case]) -> Scene:
    """Whether the certificates of listeners are there; of a Secret only its metadata is ever asked."""
    named = {
        (str(reference.get("namespace") or gateway.namespace), str(reference.get("name")))
        for case in chosen
        for gateway in case.gateways
        for row in gateway.rows("spec", "listeners")
        for reference in rows(row, "tls", "certificateRefs")
        if str(reference.get("kind") or "Secret") == "Secret"
    }
    objects, unread = list(scene.objects), list(scene.unread)
    for namespace, name in sorted(named):
        try:
            found = cluster.get(ObjectKey(api_version="v1", kind="Secret", namespace=namespace, name=name))
        except ClusterError as failure:
            unread.append(Unread(kind=f"Secret/{namespace}/{name}", namespace=namespace, message=failure.message))
            continue
        if found is not None:
            objects.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": namespace, "name": name}})
    return replace(scene, objects=tuple(objects), unread=tuple(unread))


def _leases(cluster: Cluster, scene: Scene, chosen: Iterable[Case]) -> Scene:
    """Who leads, where several pickers elect one and none is ready. It is evidence alone: no right to it is needed."""
    led = [case for case in chosen if leading.nobody(case) is not None]
    found: list[KubernetesObject] = []
    for namespace in sorted({case.namespace for case in led}):
        listed = _list(cluster, "coordination.k8s.io/v1", "Lease", namespace)
        found += () if isinstance(listed, Unread) else listed
    names = tuple(leading.lease_name(case) for case in led)
    mine = [obj for obj in found if names and str(obj["metadata"]["name"]).startswith(names)]
    return replace(scene, objects=(*scene.objects, *mine)) if mine else scene


def _said(cluster: Cluster, scene: Scene, chosen: Iterable[Case], clock: Clock) -> Scene:
    """Logs and pages of the pods of some chains."""
    found = list(chosen)
    wanted = list(dict.fromkeys(entry for case in found for entry in wanted_logs(case)))
    pages = list(dict.fromkeys(key for case in found for key in _pages(case)))
    logs = dict(zip([entry.key for entry in wanted], at_once(lambda one: read_log(cluster, one), wanted), strict=True))
    answers: dict[AskedKey, tuple[Answer, ...]] = {key: (answer,) for key, answer in _read(cluster, pages).items()}
    answers |= _authorised(cluster, answers)
    for look in range(_LOOKS):
        now = list(_again(scene.heard(logs=logs, answers=answers), found))
        again = [key for case in now for key in (*(() if look else _busy(case)), *_behind(case))]
        if not again:
            break
        clock.sleep(_BETWEEN_S)
        looks = {key: (answer,) for key, answer in _read(cluster, again).items()}
        answers |= {key: (*answers[key], *last) for key, last in (looks | _authorised(cluster, looks)).items()}
    return scene.heard(logs=logs, answers=answers)


def _read(cluster: Cluster, pages: Iterable[AskedKey]) -> dict[AskedKey, Answer]:
    """What each page answers: those of one port one after the other, over one connection."""
    by_port: dict[tuple[str, str, int], list[AskedKey]] = {}
    for key in pages:
        by_port.setdefault(key[:3], []).append(key)
    read = at_once(lambda keys: _read_port(cluster, keys), by_port.values())
    return {key: answer for found in read for key, answer in found.items()}


def _read_port(cluster: Cluster, keys: Sequence[AskedKey]) -> dict[AskedKey, Answer]:
    """The pages of one port; at once, where the first is not answered: each may take as long as it."""
    first, *others = keys
    answer = _get(cluster, first)
    ask = functools.partial(_get, cluster)
    rest = at_once(ask, others) if answer.failure else [ask(key) for key in others]
    return {first: answer, **dict(zip(others, rest, strict=True))}


def _again(scene: Scene, chosen: Iterable[Case]) -> Iterator[Case]:
    """The same chains with what was said meanwhile."""
    return (replace(case, scene=scene) for case in chosen)


def _pages(case: Case) -> Iterator[AskedKey]:
    for pod in case.served[:PODS]:
        engine = engine_in(pod)
        if engine is None or engine.port is None or not _runs(pod, engine.container.name):
            continue
        yield AskedKey(pod.namespace, pod.name, engine.port, "/health")
        if pod.ready:
            yield AskedKey(pod.namespace, pod.name, engine.port, "/v1/models")
            yield AskedKey(pod.namespace, pod.name, engine.port, "/metrics")
    for pod in case.epp_pods:
        if pod.ready:
            yield AskedKey(pod.namespace, pod.name, endpoint.metrics_port(pod), "/metrics")


def _runs(pod: LivePod, container: str) -> bool:
    return pod.state(container) == "running"


def _busy(case: Case) -> Iterator[AskedKey]:
    """Engines that have requests in work."""
    for pod in case.served:
        engine = engine_in(pod)
        if engine is None or engine.port is None:
            continue
        key = AskedKey(pod.namespace, pod.name, engine.port, "/metrics")
        looks = case.scene.answers.get(key, ())
        if looks and looks[0].good and (running(engine, looks[0].body) or 0) > 0:
            yield key


def _behind(case: Case) -> Iterator[AskedKey]:
    """Pickers that see fewer pods than are ready, or say nothing yet: the last may have become ready this second.

    Where a hop before them is broken nobody asks what they see.
    """
    if any(judged(case).outcome is Outcome.FAIL for judged in before(HopName.ENDPOINT)):
        return
    if endpoint.judge(case).outcome is Outcome.FAIL or endpoint.untold(case):
        yield from (
            AskedKey(pod.namespace, pod.name, endpoint.metrics_port(pod), "/metrics")
            for pod in case.epp_pods if pod.ready
        )  # fmt: skip


def _get(cluster: Cluster, key: AskedKey, **headers: str) -> Answer:
    return forwarded(cluster, key, "GET", timeout_s=_LOOK_S, headers=headers)


def _authorised(cluster: Cluster, answers: Mapping[AskedKey, tuple[Answer, ...]]) -> dict[AskedKey, tuple[Answer, ...]]:
    """Metrics that want a token, asked again with that of a service account which may read them."""
    found: dict[AskedKey, tuple[Answer, ...]] = {}
    tokens: dict[str, tuple[str, str]] = {}
    for key, (answer, *_) in answers.items():
        if key.path != "/metrics" or answer.status not in (401, 403):
            continue
        if key.namespace not in tokens:
            tokens[key.namespace] = metrics_token(cluster, key.namespace)
        token, reason = tokens[key.namespace]
        again = _get(cluster, key, authorization=f"Bearer {token}") if token else replace(answer, failure=reason)
        found[key] = (again,)
    return found


def forwarded(
    cluster: Cluster,
    key: AskedKey,
    method: str,
    *,
    timeout_s: float,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """A page of a pod through the API server. Raises UnreachableError."""
    namespace, pod, port, path = key
    try:
        reply = cluster.pods.request(
            namespace, pod, port, method, path, body=body, headers=headers, timeout_s=timeout_s
        )
    except UnreachableError:
        raise
    except ForbiddenError:
        return Answer(failure=f"no right to create pods/portforward in {namespace}", untried=True)
    except (NoKubeletError, PodGoneError) as failure:
        return Answer(failure=failure.message, untried=True)
    except ClusterError as failure:
        return Answer(failure=failure.message)
    return Answer(status=reply.status, body=reply.text, headers=dict(reply.headers))


def _try(cluster: Cluster, case: Case, timeout_s: float, clock: Clock) -> Tried:
    """One completion of one token through the real entrance; a second where a server had just ended the connection."""
    names = [name for pod in case.served if pod.ready for name in names_of(case, pod)]
    model = case.model or next(iter(names), "")
    way = entrance_of(case)
    if not model:
        untried = Answer(failure="no name of a model is known; give one with --model", untried=True)
        return Tried(entrance=way.words, model="", answer=untried)
    payload = json.dumps({"model": model, "prompt": "Hello", "max_tokens": 1}).encode()
    answer, took_s = _timed(cluster, way, payload, timeout_s, clock)
    again = re.search(RESET, answer.body) is not None
    if again:
        answer, took_s = _timed(cluster, way, payload, timeout_s, clock)
    return Tried(entrance=way.words, model=model, answer=answer, took_s=took_s, times=1 + again)


def _timed(cluster: Cluster, way: Entrance, payload: bytes, timeout_s: float, clock: Clock) -> tuple[Answer, float]:
    started_s = clock.monotonic()
    return _through(cluster, way, payload, timeout_s), clock.monotonic() - started_s


def _through(cluster: Cluster, way: Entrance, payload: bytes, timeout_s: float) -> Answer:
    headers = {"Content-Type": "application/json", **way.headers}
    if way.pod is not None and way.port:
        key = AskedKey(way.pod.namespace, way.pod.name, way.port, way.path)
        return forwarded(cluster, key, "POST", timeout_s=timeout_s, body=payload, headers=headers)
    if not way.address:
        return Answer(failure="no entrance is known", untried=True)
    return ask(way.address, way.path, payload, headers, timeout_s=timeout_s)
