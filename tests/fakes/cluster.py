"""A cluster in memory, satisfying `llmdctl.kube.Cluster`. It records what is asked and fails when told to."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

from llmdctl.errors import ClusterError, ConflictError, ForbiddenError
from llmdctl.kube import FIELD_MANAGER, Resource, Served, key_of
from llmdctl.kube.transport import Answer
from llmdctl.merge import merge
from llmdctl.model.release import ObjectKey
from tests.fakes.pods import FakePods

ALL_VERBS = frozenset({"get", "list", "watch", "create", "update", "patch", "delete"})
KINDS = (  # apiVersion, kind, plural, namespaced
    ("v1", "Namespace", "namespaces", False),
    ("v1", "Node", "nodes", False),
    ("v1", "Pod", "pods", True),
    ("v1", "Event", "events", True),
    ("v1", "Service", "services", True),
    ("v1", "ConfigMap", "configmaps", True),
    ("v1", "Secret", "secrets", True),
    ("v1", "ServiceAccount", "serviceaccounts", True),
    ("apps/v1", "Deployment", "deployments", True),
    ("apps/v1", "ReplicaSet", "replicasets", True),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", False),
    ("rbac.authorization.k8s.io/v1", "Role", "roles", True),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", True),
    ("apiregistration.k8s.io/v1", "APIService", "apiservices", False),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", False),
)


def resource(api_version: str, kind: str, plural: str, namespaced: bool = True) -> Resource:
    return Resource(api_version=api_version, kind=kind, plural=plural, namespaced=namespaced, verbs=ALL_VERBS)


def crd(plural: str, group: str, kind: str, *versions: str) -> dict[str, Any]:
    """A CustomResourceDefinition of a namespaced kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind},
            "versions": [{"name": version, "served": True} for version in versions],
        },
    }


class FakeCluster:
    """Objects by key. `controllers` are called with every object that is stored, as a real one would notice it."""

    server = "https://fake:6443"

    def __init__(self, *objects: Mapping[str, Any]) -> None:
        self.pods = FakePods()  # HTTP to their ports
        self.exchanges: dict[
            tuple[str, str], Any
        ] = {}  # (method, path) -> (status, document), or a function of the body
        self.kinds = [resource(*kind) for kind in KINDS]
        self.objects: dict[ObjectKey, dict[str, Any]] = {}
        self.calls: list[tuple[str, str]] = []
        self.failures: dict[str, list[BaseException]] = {}
        self.refused: dict[ObjectKey, ClusterError] = {}  # what the API server says to an apply
        self.foreign: dict[ObjectKey, tuple[str, str]] = {}  # field manager and field that it owns
        self.pod_logs: dict[tuple[str, str, bool], tuple[str, ...]] = {}
        self.controllers: list[Callable[[dict[str, Any]], object]] = []
        self.hidden: set[str] = set()  # kinds that may not be listed
        self.finalized: set[ObjectKey] = set()  # what stays when it is deleted
        for obj in objects:
            self.put(obj)

    # What a test does to it.

    def put(self, obj: Mapping[str, Any]) -> None:
        """Store an object as it is, with everything a controller does about it."""
        stored = copy.deepcopy(dict(obj))
        self.objects[key_of(stored)] = stored
        for controller in self.controllers:
            controller(stored)
        if stored["kind"] == "CustomResourceDefinition":
            self._serve(stored)

    def remove(self, key: ObjectKey) -> None:
        self.objects.pop(key, None)

    def fail(self, method: str, *errors: BaseException) -> None:
        """The next calls of a method raise these, one each."""
        self.failures.setdefault(method, []).extend(errors)

    def find(self, kind: str, name: str) -> dict[str, Any]:
        return next(obj for key, obj in self.objects.items() if (key.kind, key.name) == (kind, name))

    def names(self, kind: str) -> list[str]:
        return sorted(key.name for key in self.objects if key.kind == kind)

    def _serve(self, definition: dict[str, Any]) -> None:
        spec = definition["spec"]
        for version in spec["versions"]:
            found = resource(f"{spec['group']}/{version['name']}", spec["names"]["kind"], spec["names"]["plural"])
            if found not in self.kinds:
                self.kinds.append(found)
        definition.setdefault("status", {"conditions": [{"type": "Established", "status": "True"}]})

    # What the use cases do to it.

    def version(self) -> str:
        self._called("version", "")
        return "1.34.4"

    def served(self, *, fresh: bool = False) -> Served:
        return Served(resources=tuple(self.kinds))

    def get(self, key: ObjectKey) -> dict[str, Any] | None:
        self._called("get", str(key))
        self._must_be_served(key)
        found = self.objects.get(key)
        return None if found is None else self._shown(found)

    def list_objects(
        self,
        api_version: str,
        kind: str,
        *,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
        metadata_only: bool = False,
        limit: int | None = None,
    ) -> tuple[dict[str, Any], ...]:
        self._called("list_objects", kind)
        self._must_be_served(ObjectKey(api_version=api_version, kind=kind, namespace=namespace, name=""))
        if kind in self.hidden:
            raise ForbiddenError(f"list {kind}: forbidden")
        found = [
            self._shown(obj)
            for key, obj in self.objects.items()
            if (key.api_version, key.kind) == (api_version, kind)
            and (namespace is None or key.namespace == namespace)
            and (labels or {}).items() <= (obj["metadata"].get("labels") or {}).items()
        ]
        return tuple(found if limit is None else found[:limit])

    def create(self, obj: Mapping[str, Any]) -> bool:
        self._called("create", str(key_of(obj)))
        if key_of(obj) in self.objects:
            return False
        self.put(obj)
        return True

    def apply(
        self, obj: Mapping[str, Any], *, field_manager: str = FIELD_MANAGER, force: bool = False, dry_run: bool = False
    ) -> dict[str, Any]:
        key = key_of(obj)
        self._called("try" if dry_run else "apply", str(key))
        self._must_be_served(key)
        if key in self.refused:
            raise self.refused[key]
        if key in self.foreign and not force:
            manager, field = self.foreign[key]
            raise ConflictError(f"apply {key}: another field manager, '{manager}', owns {field}")
        merged = merge(self.objects.get(key, {}), obj)
        managed = [{"manager": field_manager, "operation": "Apply"}]
        merged["metadata"] = merge(merged["metadata"], {"managedFields": managed})
        if not dry_run:
            self.put(merged)
        return copy.deepcopy(merged)

    def delete(self, key: ObjectKey) -> bool:
        self._called("delete", str(key))
        if key not in self.objects:
            return False
        if key in self.finalized:
            self.objects[key]["metadata"] |= {"deletionTimestamp": "now", "finalizers": ["test/hold"]}
            return True
        del self.objects[key]
        for owned in [k for k, obj in self.objects.items() if _owner(obj) == key.name]:
            del self.objects[owned]
        return True

    def logs(
        self, namespace: str, pod: str, container: str, *, previous: bool = False, lines: int = 20
    ) -> tuple[str, ...]:
        self._called("logs", f"{pod}/{container}")
        if (pod, container, previous) not in self.pod_logs:
            raise ClusterError(f"read the log of {pod}: previous terminated container not found")
        return self.pod_logs[pod, container, previous][-lines:]

    def first_logs(self, namespace: str, pod: str, container: str, *, limit_bytes: int) -> tuple[str, ...]:
        return self.logs(namespace, pod, container, lines=10_000)

    def exchange(self, method: str, path: str, *, query=None, body=None, accept="", content_type="") -> Answer:
        self._called("exchange", f"{method} {path}")
        answer = self.exchanges.get((method, path))
        if callable(answer):
            answer = answer(body)
        status, document = answer or (404, {"kind": "Status", "message": f"no answer for {path}"})
        return Answer(status=status, body=json.dumps(document).encode(), headers={})

    def allowed(
        self, verb: str, group: str, resource: str, *, namespace: str | None = None, name: str | None = None
    ) -> bool:
        return True

    def _called(self, method: str, what: str) -> None:
        self.calls.append((method, what))
        if self.failures.get(method):
            raise self.failures[method].pop(0)

    def _must_be_served(self, key: ObjectKey) -> None:
        if self.served().find(key.api_version, key.kind) is None:
            raise ClusterError(f"the cluster does not know {key.kind} in {key.api_version}")

    def _shown(self, obj: dict[str, Any]) -> dict[str, Any]:
        shown = copy.deepcopy(obj)
        if shown["kind"] == "Secret":
            shown.pop("data", None)
        return shown


def _owner(obj: Mapping[str, Any]) -> str | None:
    owners = obj["metadata"].get("ownerReferences") or ()
    return next((entry["name"] for entry in owners), None)
