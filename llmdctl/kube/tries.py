"""What the server says of each rendered object: accepted or not by a dry run, and what is there under its name now."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final

from llmdctl.errors import ClusterError, ForbiddenError, UnauthenticatedError
from llmdctl.kube.abreast import abreast
from llmdctl.kube.door import Cluster, key_of
from llmdctl.kube.failures import explained, lacks_right, translate
from llmdctl.kube.listing import outcome
from llmdctl.kube.reviews import THREADS
from llmdctl.kube.served import Resource, Served
from llmdctl.kube.transport import JSON_TYPE, Answer
from llmdctl.model.inventory import Section, Seen
from llmdctl.model.release import ObjectKey
from llmdctl.model.sections import Kind
from llmdctl.model.trimming import trimmer

Item = Mapping[str, Any]

HELM_MANAGER: Final = "helm"  # under which both majors of the helm program write
STAND_IN: Final = "default"
"""Objects of a namespace that is not there yet are tried in this one; a dry run leaves nothing there."""

_APPLY: Final = "application/apply-patch+yaml"
_METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_BUSY: Final = frozenset({408, 429, 502, 503, 504})  # the server has not judged the object
_MANAGERS: Final = ("metadata.managedFields[].manager", "metadata.managedFields[].operation")
_IMMUTABLE: Final[dict[str, tuple[str, ...]]] = {
    "Deployment": ("spec.selector",),
    "DaemonSet": ("spec.selector",),
    "StatefulSet": ("spec.selector", "spec.serviceName", "spec.volumeClaimTemplates", "spec.podManagementPolicy"),
    "LeaderWorkerSet": ("spec.replicas", "spec.leaderWorkerTemplate.size", "spec.networkConfig"),
    "Job": ("spec.selector", "spec.completions", "spec.completionMode"),
    "Service": ("spec.clusterIP", "spec.type", "spec.ports"),
    "PersistentVolumeClaim": ("spec",),
    "ResourceClaimTemplate": ("spec",),
    "RoleBinding": ("roleRef",),
    "ClusterRoleBinding": ("roleRef",),
    "ConfigMap": ("immutable",),
    "StorageClass": ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"),
    "PriorityClass": ("value", "preemptionPolicy"),
    "InferencePool": ("spec.selector",),
}
"""What cannot be changed in place, or not by everybody, and what tells it: by kind."""


@dataclass(frozen=True, kw_only=True)
class Trier:
    """Tries rendered objects on one cluster."""

    cluster: Cluster
    served: Served | None
    namespace: str
    release: str
    until_s: float

    def live(self, objects: Sequence[Item]) -> Section:
        """Those of the objects that exist: metadata, and fields that cannot be changed in place."""
        started_s = time.monotonic()
        found = self._abreast([partial(self._live, obj, self._absent) for obj in objects])
        return _section(found, started_s, silent=True)

    def dry_run(self, objects: Sequence[Item]) -> Section:
        """What the server says to a server-side apply of each, as Helm and without force; nothing is changed."""
        started_s = time.monotonic()
        found = self._abreast([partial(self._tried, obj, self._absent) for obj in objects])
        return _section(found, started_s, silent=False)

    def _abreast(self, jobs: Sequence[Callable[[], Item | ClusterError]]) -> list[Item | ClusterError | None]:
        return abreast(jobs, threads=THREADS, until_s=self.until_s)

    def _live(self, obj: Item, absent: bool) -> Item | ClusterError:
        key = key_of(obj)
        resource = self._resource(key)
        if resource is None or (absent and resource.namespaced and key.namespace == self.namespace):
            return {}  # in a namespace that is not there is nothing
        keep = _IMMUTABLE.get(key.kind, ())
        path = resource.path(namespace=key.namespace, name=key.name)
        try:
            answer = self.cluster.exchange("GET", path, accept=JSON_TYPE if keep else _METADATA)
            if answer.status == 404:
                return {}
            item = answer.checked(what=f"get {key}").document(what=f"get {key}")
        except UnauthenticatedError:
            raise
        except ClusterError as error:
            return error
        kind = Kind(group=resource.group, plural=resource.plural, keep=(*keep, *_MANAGERS))
        return trimmer(kind)(item, key.api_version, key.kind)

    @cached_property
    def _absent(self) -> bool:
        """Whether the namespace is not there."""
        try:
            key = ObjectKey(api_version="v1", kind="Namespace", namespace=None, name=self.namespace)
            return bool(self.namespace) and self.cluster.get(key) is None
        except UnauthenticatedError:
            raise
        except ClusterError:
            return False  # then the server's answers say it

    def _tried(self, obj: Item, absent: bool) -> Item | ClusterError:
        key = key_of(obj)
        named = {
            "apiVersion": key.api_version,
            "kind": key.kind,
            "namespace": key.namespace or "",
            "name": key.name,
        }
        resource = self._resource(key)
        if resource is None:
            message = f"the server does not have {key.kind} in {key.api_version}"
            return {**named, "outcome": "not-served", "message": message, "code": 404, "causes": []}
        moved = absent and key.namespace == self.namespace
        if moved:
            obj = {**obj, "metadata": {**(obj.get("metadata") or {}), "namespace": STAND_IN}}
            named |= {"triedIn": STAND_IN}
        try:
            answer = self._apply(resource, obj, force=moved)
            if answer.status == 409 and not moved and self._only_ours(answer, resource, key):
                answer = self._apply(resource, obj, force=True)
            return {**named, **_judgement(answer, key)}
        except UnauthenticatedError:
            raise
        except ClusterError as error:
            return error

    def _apply(self, resource: Resource, obj: Item, *, force: bool) -> Answer:
        key = key_of(obj)
        query = {"fieldManager": HELM_MANAGER, "fieldValidation": "Strict", "dryRun": "All"}
        path = resource.path(namespace=key.namespace, name=key.name)
        return self.cluster.exchange(
            "PATCH", path, query={**query, "force": str(force).lower()}, body=obj, accept=_METADATA, content_type=_APPLY
        )

    def _only_ours(self, answer: Answer, resource: Resource, key: ObjectKey) -> bool:
        """Whether an object is of this release and the conflict is with Helm's own earlier writes."""
        _, causes = explained(answer.body)
        if not causes or not all(f'conflict with "{HELM_MANAGER}"' in cause["message"] for cause in causes):
            return False
        live = self.cluster.exchange("GET", resource.path(namespace=key.namespace, name=key.name), accept=_METADATA)
        if not live.good:
            return False
        annotations = (live.document(what=f"get {key}").get("metadata") or {}).get("annotations") or {}
        return bool(annotations.get("meta.helm.sh/release-name") == self.release)

    def _resource(self, key: ObjectKey) -> Resource | None:
        return self.served.find(key.api_version, key.kind) if self.served else None


def _judgement(answer: Answer, key: ObjectKey) -> Item:
    """The outcome of a dry run. Raises ClusterError where the server did not judge the object."""
    if answer.good:
        return {"outcome": "accepted", "message": "", "code": answer.status, "causes": []}
    message, causes = explained(answer.body)
    if answer.status == 401 or answer.status in _BUSY:
        raise translate(answer.status, answer.body, what=f"try {key}")
    if answer.status == 403:
        result = "forbidden" if lacks_right(message) else "rejected"
    else:
        result = "conflict" if answer.status == 409 else "rejected"
    return {
        "outcome": result,
        "message": message or f"HTTP {answer.status}",
        "code": answer.status,
        "causes": [dict(cause) for cause in causes],
    }


def _section(found: Sequence[Item | ClusterError | None], started_s: float, *, silent: bool) -> Section:
    """Answers as a section. `silent` ones need every answer: what was not answered may be there or not."""
    seconds = round(time.monotonic() - started_s, 3)
    items = tuple(item for item in found if isinstance(item, dict) and item)
    errors = [item for item in found if isinstance(item, ClusterError)]
    lacking = sum(item is None for item in found) + len(errors)
    if not lacking:
        return Section(seen=Seen.OK, items=items, seconds=seconds)
    why = errors[0].message if errors else "the time was up"
    reason = f"{lacking} of {len(found)} objects: {why}"
    if not silent and items:
        return Section(seen=Seen.OK, reason=reason, items=items, seconds=seconds)
    refused = all(isinstance(error, ForbiddenError) for error in errors) and errors
    seen = Seen.FORBIDDEN if refused else outcome(errors[0]) if errors else Seen.TIMED_OUT
    return Section(seen=seen, reason=reason, items=items, seconds=seconds)
