"""What gateway controllers would say about Gateways, HTTPRoutes and InferencePools: pure, objects in, status out.

One object's status hangs on others here (a route's on its Gateway and backends, a pool's on the routes that refer to
it), which a kwok Stage cannot express. Rules: Gateway API 1.5, https://gateway-api.sigs.k8s.io/reference/spec/, and
InferencePool v1, https://gateway-api-inference-extension.sigs.k8s.io/reference/spec/. Not simulated: ReferenceGrants
(a backend in another namespace is refused), hostnames, and namespaces chosen by selector (refused as well).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]
Key = tuple[str, str]  # namespace (empty for cluster-wide kinds) and name

ADDRESS = "127.3.0.1"  # inside loopback, and nobody listens there: no proxy runs
_GATEWAY_GROUP = "gateway.networking.k8s.io"
_POOL_GROUP = "inference.networking.k8s.io"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """The objects that the verdicts look at. `controllers` are the controllers whose part is played here."""

    controllers: frozenset[str]
    classes: Mapping[Key, Object] = field(default_factory=dict)
    gateways: Mapping[Key, Object] = field(default_factory=dict)
    routes: Mapping[Key, Object] = field(default_factory=dict)
    pools: Mapping[Key, Object] = field(default_factory=dict)
    services: Mapping[Key, Object] = field(default_factory=dict)

    def controller_of(self, gateway: Object) -> str | None:
        """The simulated controller that this Gateway's class names, or None."""
        found = self.classes.get(("", gateway["spec"]["gatewayClassName"]))
        name = str(found["spec"]["controllerName"]) if found else ""
        return name if name in self.controllers else None


def condition(kind: str, reason: str, item: Object, *, status: bool = True, message: str = "") -> Object:
    """A condition without its time, which whoever writes it adds."""
    return {
        "type": kind,
        "status": "True" if status else "False",
        "reason": reason,
        "message": message,
        "observedGeneration": item["metadata"].get("generation", 0),
    }


def class_status(cluster: Cluster, item: Object) -> Object | None:
    """A GatewayClass is accepted by its controller; one of a controller that nobody plays here gets no answer."""
    if item["spec"]["controllerName"] not in cluster.controllers:
        return None
    return {"conditions": [condition("Accepted", "Accepted", item)]}


def gateway_status(cluster: Cluster, item: Object) -> Object | None:
    """Accepted and programmed as soon as its class is there; without its class nobody answers, as in a real cluster."""
    if cluster.controller_of(item) is None:
        return None
    return {
        "addresses": [{"type": "IPAddress", "value": ADDRESS}],
        "conditions": [condition("Accepted", "Accepted", item), condition("Programmed", "Programmed", item)],
        "listeners": [
            {
                "name": listener["name"],
                "attachedRoutes": _attached(cluster, item, listener),
                "supportedKinds": [{"group": _GATEWAY_GROUP, "kind": "HTTPRoute"}],
                "conditions": [
                    condition("Accepted", "Accepted", item),
                    condition("Programmed", "Programmed", item),
                    condition("ResolvedRefs", "ResolvedRefs", item),
                ],
            }
            for listener in item["spec"]["listeners"]
        ],
    }


def route_status(cluster: Cluster, item: Object) -> Object | None:
    """One entry for every parent that a simulated controller answers for; None while there is none."""
    parents = []
    for parent in item["spec"].get("parentRefs", []):
        gateway = _gateway(cluster, item, parent)
        controller = cluster.controller_of(gateway) if gateway else None
        if gateway is None or controller is None:
            continue
        conditions = [_accepted(item, parent, gateway), _resolved(cluster, item)]
        parents.append({"parentRef": parent, "controllerName": controller, "conditions": conditions})
    if not parents and not item.get("status", {}).get("parents"):
        return None
    return {"parents": parents}


def pool_status(cluster: Cluster, item: Object) -> Object | None:
    """One entry for every Gateway that sends requests to the pool by a route; None while no route refers to it."""
    parents = []
    for key, controller in sorted(_gateways_of_pool(cluster, item)):
        namespace, name = key
        parents.append(
            {
                "parentRef": {"group": _GATEWAY_GROUP, "kind": "Gateway", "name": name, "namespace": namespace},
                "controllerName": controller,
                "conditions": [condition("Accepted", "Accepted", item), _picker(cluster, item)],
            }
        )
    if not parents and not item.get("status", {}).get("parents"):
        return None
    return {"parents": parents}


def _gateway(cluster: Cluster, route: Object, parent: Object) -> Object | None:
    if parent.get("kind", "Gateway") != "Gateway" or parent.get("group", _GATEWAY_GROUP) != _GATEWAY_GROUP:
        return None
    return cluster.gateways.get((parent.get("namespace", route["metadata"]["namespace"]), parent["name"]))


def _accepted(route: Object, parent: Object, gateway: Object) -> Object:
    listeners = [
        listener
        for listener in gateway["spec"]["listeners"]
        if parent.get("sectionName") in (None, listener["name"]) and parent.get("port") in (None, listener["port"])
    ]
    if not listeners:
        message = "no listener of the Gateway has this name and port"
        return condition("Accepted", "NoMatchingParent", route, status=False, message=message)
    if not any(_admits(listener, route, gateway) for listener in listeners):
        message = "no listener allows routes from this namespace"
        return condition("Accepted", "NotAllowedByListeners", route, status=False, message=message)
    return condition("Accepted", "Accepted", route)


def _admits(listener: Object, route: Object, gateway: Object) -> bool:
    source: str = listener.get("allowedRoutes", {}).get("namespaces", {}).get("from", "Same")
    same: bool = route["metadata"]["namespace"] == gateway["metadata"]["namespace"]
    return source == "All" or (source == "Same" and same)


def _attached(cluster: Cluster, gateway: Object, listener: Object) -> int:
    count = 0
    for route in cluster.routes.values():
        for parent in route["spec"].get("parentRefs", []):
            if _gateway(cluster, route, parent) is gateway and parent.get("sectionName") in (None, listener["name"]):
                count += _accepted(route, parent, gateway)["status"] == "True"
    return count


def _resolved(cluster: Cluster, route: Object) -> Object:
    for backend in _backends(route):
        group, kind = backend.get("group", ""), backend.get("kind", "Service")
        namespace = backend.get("namespace", route["metadata"]["namespace"])
        known = {("", "Service"): cluster.services, (_POOL_GROUP, "InferencePool"): cluster.pools}.get((group, kind))
        if known is None:
            return condition("ResolvedRefs", "InvalidKind", route, status=False, message=f"backend kind {group}/{kind}")
        if namespace != route["metadata"]["namespace"]:
            message = f"{kind} {namespace}/{backend['name']} is in another namespace"
            return condition("ResolvedRefs", "RefNotPermitted", route, status=False, message=message)
        if (namespace, backend["name"]) not in known:
            message = f"{kind} {namespace}/{backend['name']} does not exist"
            return condition("ResolvedRefs", "BackendNotFound", route, status=False, message=message)
    return condition("ResolvedRefs", "ResolvedRefs", route)


def _backends(route: Object) -> Iterator[Object]:
    for rule in route["spec"].get("rules", []):
        yield from rule.get("backendRefs", [])


def _gateways_of_pool(cluster: Cluster, pool: Object) -> set[tuple[Key, str]]:
    place = (pool["metadata"]["namespace"], pool["metadata"]["name"])
    found: set[tuple[Key, str]] = set()
    for route in cluster.routes.values():
        namespace = route["metadata"]["namespace"]
        refers = any(
            (backend.get("group"), backend.get("kind")) == (_POOL_GROUP, "InferencePool")
            and (backend.get("namespace", namespace), backend["name"]) == place
            for backend in _backends(route)
        )
        for parent in route["spec"].get("parentRefs", []) if refers else []:
            gateway = _gateway(cluster, route, parent)
            controller = cluster.controller_of(gateway) if gateway else None
            if gateway is not None and controller is not None:
                found.add(((gateway["metadata"]["namespace"], gateway["metadata"]["name"]), controller))
    return found


def _picker(cluster: Cluster, pool: Object) -> Object:
    reference = pool["spec"].get("endpointPickerRef") or {}
    service = (pool["metadata"]["namespace"], str(reference.get("name", "")))
    if reference.get("kind", "Service") == "Service" and service in cluster.services:
        return condition("ResolvedRefs", "ResolvedRefs", pool)
    message = f"endpoint picker Service {'/'.join(service)} does not exist"
    return condition("ResolvedRefs", "InvalidExtensionRef", pool, status=False, message=message)
