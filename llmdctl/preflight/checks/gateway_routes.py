"""Where the Gateway is reached, and what it shares with other routes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.gateway import conditions
from llmdctl.preflight.crd import crds, names
from llmdctl.preflight.node import Node
from llmdctl.preflight.selector import selects
from llmdctl.preflight.verdict import UnknowableError, Verdict, failed, passed, skipped, warned

_CLOUDS: Final = frozenset({"gke", "eks", "aks", "oci", "doks", "coreweave"})
"""Platforms with a load balancer of their own for every Service of that type."""
_PROVIDERS: Final[Mapping[str, str]] = {
    "aws": "AWS",
    "azure": "Azure",
    "digitalocean": "DigitalOcean",
    "gce": "Google Cloud",
    "ibm": "IBM Cloud",
}
"""Prefix of spec.providerID -> a cloud whose controller makes load balancers; it also runs below OpenShift."""
_BALANCERS: Final[Mapping[str, str]] = {
    "ipaddresspools.metallb.io": "MetalLB",
    "ciliumloadbalancerippools.cilium.io": "Cilium",
}
Key = tuple[str, str]
Match = tuple[Key, str, str, str, str]  # gateway, host, kind of path, path, headers


def _load_balancer(case: Case) -> Verdict:
    services = [obj for obj in case.rendered("Service") if (obj.get("spec") or {}).get("type") == "LoadBalancer"]
    gateways = [obj for obj in case.rendered("Gateway") if not _inside(obj)]
    if not services and not gateways:
        return skipped("the recipe asks for no address from outside")
    live = [item for item in case.section("services") if (item.get("spec") or {}).get("type") == "LoadBalancer"]
    got = [item for item in live if ((item.get("status") or {}).get("loadBalancer") or {}).get("ingress")]
    if got:
        return passed(f"{len(got)} of {len(live)} Services of type LoadBalancer have an address.")
    known = [title for name, title in _BALANCERS.items() if name in crds(case)]
    if known:
        return passed(f"{names(known)} is there to give Services an address.")
    clouds = {title for node in case.nodes for name, title in _PROVIDERS.items() if _provider(node) == name}
    if clouds:
        return passed(f"The nodes are of {names(sorted(clouds))}, which gives Services an address.")
    if case.platform.name in _CLOUDS:
        return passed(f"{case.platform.name} gives Services of type LoadBalancer an address.")
    waiting = f"{len(live)} Services of that type wait for an address, and n" if live else "N"
    return failed(
        f"{waiting}othing was found that gives a Service of type LoadBalancer one (platform {case.platform.name}): the"
        " Gateway would not be programmed.",
        tuple(
            Evidence(object=f"Service/{item['metadata'].get('namespace', '')}/{item['metadata']['name']}",
                     observed="no status.loadBalancer.ingress")
            for item in live[:5]
        ),
        "Install MetalLB or kube-vip, or stay inside the cluster: annotate the Gateway"
        " networking.istio.io/service-type=ClusterIP (gateway.annotations), or take --gateway standalone.",
    )  # fmt: skip


def _provider(node: Node) -> str:
    return str((node.item.get("spec") or {}).get("providerID") or "").partition("://")[0]


def _inside(gateway: Mapping[str, Any]) -> bool:
    """Whether its class or an annotation keeps it from asking for a load balancer."""
    infrastructure = (gateway.get("spec") or {}).get("infrastructure") or {}
    notes = {**(gateway["metadata"].get("annotations") or {}), **(infrastructure.get("annotations") or {})}
    return str(notes.get("networking.istio.io/service-type", "LoadBalancer")) != "LoadBalancer"


def _clash(case: Case) -> Verdict:
    routes = tuple(case.rendered("HTTPRoute"))
    if not routes:
        return skipped("the recipe makes no route")
    own = {_key(case, obj) for obj in routes}
    wanted = {match: obj for obj in routes for match in _matches(case, obj)}
    clashes = [
        (item, match)
        for item in case.section("http-routes")
        if _key(case, item) not in own
        for match in sorted(set(_matches(case, item)) & set(wanted))
    ]
    if not clashes:
        return passed(f"No other route takes the same host and path on the same Gateway ({len(wanted)} were compared).")
    shown = clashes[0][1]
    return failed(
        f"Other routes match the same as the recipe's: {shown[2]} {shown[3]} on Gateway"
        f" {shown[0][0]}/{shown[0][1]}{f', host {shown[1]}' if shown[1] else ''}. The older route wins.",
        tuple(
            Evidence(object=f"HTTPRoute/{_key(case, item)[0]}/{_key(case, item)[1]}", observed=f"{match[2]} {match[3]}")
            for item, match in clashes
        ),
        "Give the recipe a host or a path of its own (gateway.route), or a Gateway of its own.",
    )


def _key(case: Case, obj: Mapping[str, Any]) -> Key:
    metadata = obj["metadata"]
    return str(metadata.get("namespace", case.namespace)), str(metadata["name"])


def _parents(case: Case, route: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
    """The Gateways that a route is attached to, each with the listener that it names."""
    for ref in (route.get("spec") or {}).get("parentRefs") or ():
        if ref.get("kind", "Gateway") == "Gateway":
            space = str(ref.get("namespace") or _key(case, route)[0])
            yield (space, str(ref.get("name"))), str(ref.get("sectionName") or "")


def _matches(case: Case, route: Mapping[str, Any]) -> Iterator[Match]:
    spec = route.get("spec") or {}
    no_match: tuple[Mapping[str, Any], ...] = ({},)
    for parent, _ in _parents(case, route):
        for host in spec.get("hostnames") or ("",):
            for rule in spec.get("rules") or no_match:
                for match in rule.get("matches") or no_match:
                    path = match.get("path") or {}
                    kind, value = str(path.get("type") or "PathPrefix"), str(path.get("value") or "/")
                    rest = repr([match.get(part) for part in ("headers", "queryParams", "method")])
                    yield parent, str(host), kind, value, rest


def _parent(case: Case) -> Verdict:
    own = {_key(case, obj) for obj in case.rendered("Gateway")}
    wanted = {
        (parent, listener): route
        for route in case.rendered("HTTPRoute")
        for parent, listener in _parents(case, route)
        if parent not in own
    }
    if not wanted:
        return skipped("every route of the recipe is attached to a Gateway that it makes itself")
    have = {_key(case, item): item for item in case.section("gateways")}
    for (parent, listener), route in wanted.items():
        if parent not in have:
            return warned(
                f"Gateway {parent[1]} is not in namespace {parent[0]}: until somebody makes it, nothing reaches the"
                f" route ({len(have)} other Gateways are there).",
                (Evidence(object=f"Gateway/{parent[0]}/{parent[1]}", observed="absent"),),
                "$ kubectl get gateways --all-namespaces", "Name one that is there: gateway.name, gateway.namespace.",
            )  # fmt: skip
        verdict = _attached(case, have[parent], parent, listener, _key(case, route)[0])
        if verdict:
            return verdict
    return passed(
        f"Gateway {names(f'{space}/{name}' for (space, name), _ in wanted)} is programmed and takes the route."
    )


def _attached(case: Case, gateway: Mapping[str, Any], key: Key, listener: str, space: str) -> Verdict | None:
    identity = f"Gateway/{key[0]}/{key[1]}"
    status, message = conditions(gateway).get("Programmed", ("not stated", ""))
    if status != "True":
        return warned(
            f"Gateway {key[0]}/{key[1]} is not programmed ({status}{f': {message}' if message else ''}).",
            (Evidence(object=identity, observed=f"Programmed {status}", expected="Programmed True"),),
            f"$ kubectl --namespace {key[0]} describe gateway {key[1]}",
        )
    listeners = [row for row in (gateway.get("spec") or {}).get("listeners") or () if listener in ("", row.get("name"))]
    if not any(_takes(case, row, key[0], space) for row in listeners):
        return failed(
            f"No listener of Gateway {key[0]}/{key[1]} takes routes from namespace {space}.",
            tuple(Evidence(object=identity, observed=f"{row.get('name')}: from {_from(row)}") for row in listeners),
            "Have its owner set allowedRoutes.namespaces of the listener.",
        )
    return None


def _from(listener: Mapping[str, Any]) -> str:
    return str(((listener.get("allowedRoutes") or {}).get("namespaces") or {}).get("from", "Same"))


def _takes(case: Case, listener: Mapping[str, Any], home: str, space: str) -> bool:
    among = _from(listener)
    if among != "Selector":
        return among == "All" or (among == "Same" and home == space)
    selector = listener["allowedRoutes"]["namespaces"].get("selector")
    if not case.reading("namespaces").known:
        raise UnknowableError("namespaces: the labels of the release's namespace are not known")
    items = (item for item in case.section("namespaces") if item["metadata"]["name"] == space)
    labels = next((item["metadata"].get("labels") or {} for item in items), {})
    return selects(selector, {"kubernetes.io/metadata.name": space, **labels})


CHECKS: Final = (
    Check(
        code="LD0506",
        slug="load-balancer",
        title="The Gateway can get an address",
        severity=Severity.WARNING,
        rule=_load_balancer,
        needs=("services", "crds", "nodes"),
        why="Most controllers make a Service of type LoadBalancer for a Gateway. On bare metal and in kind nothing"
        " gives it an address, and the Gateway stays Programmed=False.",
        remedy="Install a load balancer, or expose the Gateway inside the cluster only.",
        sources=("https://gateway-api-inference-extension.sigs.k8s.io/guides/", "https://metallb.io/"),
    ),
    Check(
        code="LD0507",
        slug="route-clash",
        title="No other route takes the same requests",
        severity=Severity.ERROR,
        rule=_clash,
        needs=("http-routes",),
        why="Of two routes with the same host, path and headers on one Gateway the older one wins; the newer gets no"
        " request, and its status says Accepted.",
        remedy="Give the recipe a host or path of its own.",
        sources=("https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule",),
    ),
    Check(
        code="LD0511",
        slug="shared-gateway",
        title="A Gateway that is shared is programmed and takes the route",
        severity=Severity.ERROR,
        rule=_parent,
        needs=("gateways", "namespaces"),
        why="A route to a Gateway that is not there, or whose listener takes no routes of this namespace, is never"
        " accepted (NotAllowedByListeners).",
        remedy="Name a Gateway that is there, and have it admit the namespace.",
        sources=("https://gateway-api.sigs.k8s.io/guides/multiple-ns/",),
    ),
)
