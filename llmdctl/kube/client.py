"""The real cluster behind the `Cluster` protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llmdctl.errors import ClusterError
from llmdctl.kube.door import FIELD_MANAGER, KubernetesObject, key_of
from llmdctl.kube.forwarding import PodForwarding, PodHttp
from llmdctl.kube.served import Resource, Served, parse_aggregated, parse_resource_list
from llmdctl.kube.transport import JSON_TYPE, Answer, Transport
from llmdctl.model.release import ObjectKey

_AGGREGATED: Final = ",".join(
    [
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        "application/json",
    ]
)
_ONE_METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_LIST_METADATA: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_PAGE: Final = 500  # objects a request
_NOT_FOUND: Final = frozenset({404})
_SECRET: Final = ("v1", "Secret")


class ApiServer:
    """Satisfies `Cluster`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._served: Served | None = None
        self._pods = PodForwarding(transport.dial)

    @property
    def server(self) -> str:
        """See `Cluster.server`."""
        return self._transport.server

    def version(self) -> str:
        """See `Cluster.version`."""
        answer = self._document("GET", "/version", what="ask for the version")
        return str(answer.get("gitVersion", "")).removeprefix("v").partition("-")[0].partition("+")[0]

    def served(self, *, fresh: bool = False) -> Served:
        """See `Cluster.served`."""
        if self._served is None or fresh:
            self._served = self._discover()
        return self._served

    def _discover(self) -> Served:
        what = "ask for the served kinds"
        documents = [self._document("GET", path, what=what, accept=_AGGREGATED) for path in ("/api", "/apis")]
        if all(document.get("kind") == "APIGroupDiscoveryList" for document in documents):
            return parse_aggregated(documents)
        core, groups = documents
        paths = [f"/api/{version}" for version in core.get("versions", ())]
        paths += [f"/apis/{entry['groupVersion']}" for group in groups.get("groups", ()) for entry in group["versions"]]
        found: list[Resource] = []
        for path in paths:
            answer = self._transport.request("GET", path, what=what, missing=frozenset({404, 503}))
            if answer is not None:  # None: an aggregated API whose server is away
                found += parse_resource_list(answer.document(what=what))
        return Served(resources=tuple(found))

    def get(self, key: ObjectKey) -> KubernetesObject | None:
        """See `Cluster.get`."""
        path = self._resource(key).path(namespace=key.namespace, name=key.name)
        accept = _ONE_METADATA if (key.api_version, key.kind) == _SECRET else "application/json"
        answer = self._transport.request("GET", path, what=f"get {key}", accept=accept, missing=_NOT_FOUND)
        return None if answer is None else _named(answer.document(what=f"get {key}"), key.api_version, key.kind)

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
    ) -> tuple[KubernetesObject, ...]:
        """See `Cluster.list_objects`."""
        key = ObjectKey(api_version=api_version, kind=kind, namespace=namespace, name="")
        path = self._resource(key).path(namespace=namespace)
        accept = _LIST_METADATA if metadata_only or (api_version, kind) == _SECRET else "application/json"
        query = {"limit": str(min(limit or _PAGE, _PAGE))}
        query |= {"labelSelector": _selector(labels)} if labels else {}
        query |= {"fieldSelector": _selector(fields)} if fields else {}
        items: list[KubernetesObject] = []
        while True:
            page = self._document("GET", path, what=f"list {kind}", accept=accept, query=query)
            items += [_named(item, api_version, kind) for item in page.get("items") or ()]
            following = (page.get("metadata") or {}).get("continue")
            if not following or (limit is not None and len(items) >= limit):
                return tuple(items if limit is None else items[:limit])
            query["continue"] = following

    def create(self, obj: KubernetesObject) -> bool:
        """See `Cluster.create`."""
        key = key_of(obj)
        path = self._resource(key).path(namespace=key.namespace)
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
        # 409 on a creation is AlreadyExists: no other conflict is possible.
        answer = self._transport.request(
            "POST", path, what=f"create {key}", query=query, body=obj, missing=frozenset({409})
        )
        return answer is not None

    def apply(
        self,
        obj: KubernetesObject,
        *,
        field_manager: str = FIELD_MANAGER,
        force: bool = False,
        dry_run: bool = False,
    ) -> KubernetesObject:
        """See `Cluster.apply`."""
        key = key_of(obj)
        path = self._resource(key).path(namespace=key.namespace, name=key.name)
        query = {"fieldManager": field_manager, "fieldValidation": "Strict", "force": "true" if force else "false"}
        query |= {"dryRun": "All"} if dry_run else {}
        accept = _ONE_METADATA if (key.api_version, key.kind) == _SECRET else "application/json"
        return self._document(
            "PATCH", path, what=f"apply {key}", query=query, body=obj, accept=accept,
            content_type="application/apply-patch+yaml",
        )  # fmt: skip

    def delete(self, key: ObjectKey) -> bool:
        """See `Cluster.delete`."""
        path = self._resource(key).path(namespace=key.namespace, name=key.name)
        query = {"propagationPolicy": "Background"}
        return (
            self._transport.request("DELETE", path, what=f"delete {key}", query=query, missing=_NOT_FOUND) is not None
        )

    def logs(
        self, namespace: str, pod: str, container: str, *, previous: bool = False, lines: int = 20
    ) -> tuple[str, ...]:
        """See `Cluster.logs`."""
        key = ObjectKey(api_version="v1", kind="Pod", namespace=namespace, name=pod)
        path = f"{self._resource(key).path(namespace=namespace, name=pod)}/log"
        query = {"container": container, "tailLines": str(lines)} | ({"previous": "true"} if previous else {})
        answer = self._request("GET", path, what=f"read the log of {pod}", query=query, accept="*/*")
        return tuple(answer.body.decode("utf-8", errors="replace").splitlines()[-lines:])

    def first_logs(self, namespace: str, pod: str, container: str, *, limit_bytes: int) -> tuple[str, ...]:
        """See `Cluster.first_logs`."""
        key = ObjectKey(api_version="v1", kind="Pod", namespace=namespace, name=pod)
        path = f"{self._resource(key).path(namespace=namespace, name=pod)}/log"
        query = {"container": container, "limitBytes": str(limit_bytes)}
        answer = self._request("GET", path, what=f"read the log of {pod}", query=query, accept="*/*")
        return tuple(answer.body.decode("utf-8", errors="replace").splitlines())

    @property
    def pods(self) -> PodHttp:
        """See `Cluster.pods`."""
        return self._pods

    def allowed(
        self, verb: str, group: str, resource: str, *, namespace: str | None = None, name: str | None = None
    ) -> bool:
        """See `Cluster.allowed`."""
        asked = {"verb": verb, "group": group, "resource": resource, "namespace": namespace, "name": name}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: value for key, value in asked.items() if value is not None}},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = self._document("POST", path, what="ask for one's rights", body=review)
        return bool((answer.get("status") or {}).get("allowed"))

    def exchange(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        accept: str = JSON_TYPE,
        content_type: str = JSON_TYPE,
    ) -> Answer:
        """See `Cluster.exchange`."""
        return self._transport.exchange(method, path, query=query, body=body, accept=accept, content_type=content_type)

    def _resource(self, key: ObjectKey) -> Resource:
        found = self.served().find(key.api_version, key.kind)
        if found is None:  # perhaps made since: CRDs of this very run
            found = self.served(fresh=True).find(key.api_version, key.kind)
        if found is None:
            raise ClusterError(
                f"the cluster does not know {key.kind} in {key.api_version}",
                remedy="Its CustomResourceDefinition is missing: install it with --with-prerequisites, or ask an"
                " administrator.",
            )
        return found

    def _request(self, method: str, path: str, *, what: str, **more: Any) -> Answer:  # noqa: ANN401  passed on
        answer = self._transport.request(method, path, what=what, **more)
        assert answer is not None, "only a status in `missing` gives None"
        return answer

    def _document(self, method: str, path: str, *, what: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
        return self._request(method, path, what=what, **more).document(what=what)


def _selector(wanted: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in wanted.items())


def _named(item: dict[str, Any], api_version: str, kind: str) -> KubernetesObject:
    """With its kind: items of a list come without, metadata-only answers with that of the metadata."""
    return item | {"apiVersion": api_version, "kind": kind}
