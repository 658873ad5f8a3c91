"""The HTTPRoute between the listener and the pool."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from llmdctl.lint.manifest import rows
from llmdctl.model.hop import Hop, HopName
from llmdctl.release.doctor.case import POOL_GROUPS, Backend, Case
from llmdctl.release.doctor.verdicts import absent, broken, hidden, ident, kubectl, passed
from llmdctl.release.readiness import condition

_PATHS: Final = ("/v1/completions", "/v1/chat/completions")
_GKE: Final = "gke-l7"  # how the names of Google's classes begin


def judge(case: Case) -> Hop:
    """Broken: no way to the pool, a pool that is not there, a route that the Gateway does not accept or resolve."""
    if not case.backends:
        if case.proxy is not None or case.standalone:
            return absent(HopName.ROUTE, "the standalone proxy sends everything to this pool")
        refused = case.scene.hidden("HTTPRoute")
        return hidden(HopName.ROUTE, refused) if refused else _none(case)
    return next(_faults(case), None) or passed(
        HopName.ROUTE, ident(case.backends[0].route), f"accepted, leads to {case.name}"
    )


def _none(case: Case) -> Hop:
    return broken(
        HopName.ROUTE,
        case.identity,
        "no HTTPRoute leads to this pool, and no proxy asks its picker",
        f"an HTTPRoute with a backendRef of kind InferencePool, group {POOL_GROUPS[0]}, name {case.name}",
        kubectl("get httproutes -A"),
    )


def _faults(case: Case) -> Iterator[Hop]:
    for backend in case.backends:
        yield from _reference(case, backend)
    for backend in case.backends:
        yield from _conditions(case, backend)
    yield from _matching(case)
    yield from _weights(case)
    yield from _probed_by_gke(case)


def _edit(backend: Backend) -> str:
    return kubectl(f"edit httproute {backend.route.name}", backend.route.namespace)


def _reference(case: Case, backend: Backend) -> Iterator[Hop]:
    """Kind, group, name and the right to refer into another namespace."""
    route = backend.route
    if backend.reference.get("kind") != "InferencePool":
        yield broken(
            HopName.ROUTE,
            ident(route),
            f"its backendRef is the Service {backend.name}, the endpoint picker itself",
            f"kind InferencePool, group {POOL_GROUPS[0]}, name {case.name}: a picker serves no HTTP",
            _edit(backend),
        )
        return
    if backend.group not in POOL_GROUPS:
        yield broken(
            HopName.ROUTE,
            ident(route),
            f"its backendRef {backend.name} is of the group '{backend.group}'",
            f"group {POOL_GROUPS[0]}",
            _edit(backend),
        )
        return
    pools = list(case.scene.of("InferencePool", namespace=backend.namespace))
    named = [pool for pool in pools if pool.name == backend.name]
    if not named:
        yield _no_such_pool(backend, [pool.name for pool in pools])
    elif all(pool.group != backend.group for pool in named):
        yield broken(
            HopName.ROUTE,
            ident(route),
            f"it names {backend.name} of the group {backend.group}, and the pool is of {named[0].group}",
            f"one group for both: {named[0].group}",
            _edit(backend),
        )
    if backend.namespace != route.namespace and not _granted(case, backend):
        yield broken(
            HopName.ROUTE,
            ident(route),
            f"it leads into the namespace {backend.namespace}, which grants it nothing",
            f"a ReferenceGrant in {backend.namespace} from HTTPRoute in {route.namespace} to InferencePool",
            kubectl("get referencegrants", backend.namespace),
        )


def _no_such_pool(backend: Backend, names: Sequence[str]) -> Hop:
    """`names`: of the pools that are there, where the route looks for one."""
    route = backend.route
    near = difflib.get_close_matches(backend.name, names, n=1)
    patch = "get inferencepools -A"
    if names:
        patch = (
            f'patch httproute {route.name} --type=json -p \'[{{"op":"replace","path":"/spec/rules/{backend.rule}/'
            f'backendRefs/0/name","value":"{near[0] if near else names[0]}"}}]\''
        )
    have = ", ".join(names) or "no pool"
    return broken(
        HopName.ROUTE,
        ident(route),
        f"it leads to the InferencePool {backend.name}, which is not there; in {backend.namespace} there is {have}",
        f"the name of a pool{f', such as {near[0]}' if near else ''}",
        kubectl(patch, route.namespace),
    )


def _granted(case: Case, backend: Backend) -> bool:
    if case.scene.hidden("ReferenceGrant"):
        return True  # ResolvedRefs of the route says the same
    for grant in case.scene.of("ReferenceGrant", namespace=backend.namespace):
        sources = grant.rows("spec", "from")
        targets = grant.rows("spec", "to")
        if any(row.get("namespace") == backend.route.namespace and row.get("kind") == "HTTPRoute" for row in sources):
            named = (None, "", backend.name)
            if any(row.get("kind") == "InferencePool" and row.get("name") in named for row in targets):
                return True
    return False


def _conditions(case: Case, backend: Backend) -> Iterator[Hop]:
    route = backend.route
    statuses = route.rows("status", "parents")
    describe = kubectl(f"describe httproute {route.name}", route.namespace)
    for parent in route.rows("spec", "parentRefs"):
        name = str(parent.get("name"))
        mine = [row for row in statuses if (row.get("parentRef") or {}).get("name") == name]
        if not mine:
            yield broken(
                HopName.ROUTE,
                ident(route),
                f"Gateway {name} has not taken it up",
                "a part of its status written by the Gateway's controller",
                describe,
            )
            continue
        for kind in ("Accepted", "ResolvedRefs"):
            entry = condition(mine[0], kind)
            if entry.get("status") == "False":
                reason = f"{entry.get('reason') or 'no reason'}: {entry.get('message') or ''}".removesuffix(": ")
                yield broken(
                    HopName.ROUTE,
                    ident(route),
                    f"not {kind} by Gateway {name}: {reason}",
                    f"{kind}=True",
                    *_advice(case, str(entry.get("reason"))),
                    describe,
                )


def _advice(case: Case, reason: str) -> tuple[str, ...]:
    """What a reason of the Gateway API asks for."""
    klass = next((gateway.text("spec", "gatewayClassName") for gateway in case.gateways), "")
    if reason in ("InvalidKind", "BackendNotFound", "UnsupportedValue") and "istio" in klass:
        return (
            "istiod takes pools only with ENABLE_GATEWAY_API_INFERENCE_EXTENSION=true.",
            "$ kubectl -n istio-system set env deployment/istiod ENABLE_GATEWAY_API_INFERENCE_EXTENSION=true",
        )
    if reason == "InvalidKind":
        return ("Switch the gateway's support for InferencePool on: for agentgateway inferenceExtension.enabled=true.",)
    if reason == "NoMatchingListenerHostname":
        return ("Give the route a host name that a listener has.",)
    if reason == "NotAllowedByListeners":
        return ("Let the listener allow routes of this kind and namespace.",)
    if reason == "RefNotPermitted":
        return ("Add a ReferenceGrant in the pool's namespace.",)
    return ()


def _matching(case: Case) -> Iterator[Hop]:
    """No rule takes the path of a completion."""
    rules = [(found, found.route.rows("spec", "rules")[found.rule]) for found in case.backends]
    if any(_takes(match) for _, rule in rules for match in (rows(rule, "matches") or ({},))):
        return
    backend = rules[0][0]
    paths = sorted(
        {str((match.get("path") or {}).get("value")) for _, rule in rules for match in rows(rule, "matches")}
    )
    yield broken(
        HopName.ROUTE,
        ident(backend.route),
        f"its rules match {', '.join(paths)} only",
        f"a match for {_PATHS[0]}, such as PathPrefix /",
        _edit(backend),
    )


def _takes(match: Mapping[str, Any]) -> bool:
    if str(match.get("method") or "POST") != "POST":
        return False
    path = match.get("path") or {}
    kind, value = str(path.get("type") or "PathPrefix"), str(path.get("value") or "/")
    if kind == "Exact":
        return value in _PATHS
    if kind != "PathPrefix":
        return True  # a regular expression: nobody can tell from here
    prefix = value.rstrip("/")
    return any(entry == prefix or entry.startswith(prefix + "/") for entry in _PATHS)


def _weights(case: Case) -> Iterator[Hop]:
    if all(found.reference.get("weight") == 0 for found in case.backends):
        backend = case.backends[0]
        yield broken(
            HopName.ROUTE,
            ident(backend.route),
            f"every backendRef to {case.name} has weight 0",
            "a weight above 0",
            _edit(backend),
        )


def _probed_by_gke(case: Case) -> Iterator[Hop]:
    """Google's load balancer asks / for health unless told otherwise, and an engine answers 404 there."""
    if not any(gateway.text("spec", "gatewayClassName").startswith(_GKE) for gateway in case.gateways):
        return
    if case.scene.hidden("HealthCheckPolicy"):
        return
    named = [
        policy.get("spec", "targetRef", "name")
        for policy in case.scene.of("HealthCheckPolicy", namespace=case.namespace)
        if policy.get("spec", "targetRef", "kind") == "InferencePool"
    ]
    if case.name not in named:
        yield broken(
            HopName.ROUTE,
            case.identity,
            "no HealthCheckPolicy names this pool, so GKE asks / and gets 404",
            "a HealthCheckPolicy with targetRef InferencePool and requestPath /health: without it every answer is 503",
            kubectl("get healthcheckpolicies", case.namespace),
        )
