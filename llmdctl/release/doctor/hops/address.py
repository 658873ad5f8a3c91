"""The address that a client talks to: a Gateway's, or that of the Service before a standalone proxy."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

from llmdctl.lint import Manifest
from llmdctl.lint.manifest import rows
from llmdctl.model.hop import Hop, HopName
from llmdctl.release.doctor.case import Case, Proxy
from llmdctl.release.doctor.verdicts import absent, broken, hidden, ident, kubectl, passed, unsure
from llmdctl.release.readiness import condition

_PASSING: Final = frozenset({"AddressNotAssigned", "AddressNotUsable", "NoResources", "Pending"})


def judge(case: Case) -> Hop:
    """Broken: a Gateway that is not there, that no controller took up, or that has no address; a proxy without one."""
    if case.parents:
        return _of_gateways(case)
    if case.proxy is not None:
        return _of_proxy(case, case.proxy)
    if case.standalone:
        return absent(HopName.ADDRESS, "no pod with the proxy is there; the picker beside it says why")
    refused = case.scene.hidden("HTTPRoute", "Gateway")
    return hidden(HopName.ADDRESS, refused) if refused else absent(HopName.ADDRESS, "neither Gateway nor proxy")


def entrance(case: Case) -> str:
    """The address in words, as far as it is known."""
    for gateway in case.gateways:
        for entry in gateway.rows("status", "addresses"):
            listener: Mapping[str, Any] = next(iter(gateway.rows("spec", "listeners")), {})
            scheme = "https" if listener.get("protocol") == "HTTPS" else "http"
            return f"{scheme}://{entry.get('value')}:{listener.get('port', 80)}"
    proxy = case.proxy
    if proxy is None or proxy.service is None:
        return ""
    outside: Mapping[str, Any] = next(iter(rows(proxy.service.value, "status", "loadBalancer", "ingress")), {})
    host = outside.get("hostname") or outside.get("ip") or f"{proxy.service.name}.{proxy.service.namespace}.svc"
    return f"http://{host}:{proxy.port.get('port')}"


def _of_gateways(case: Case) -> Hop:
    first: Hop | None = None
    for parent in case.parents:
        if str(parent.get("kind") or "Gateway") != "Gateway":
            first = first or unsure(HopName.ADDRESS, "", f"the route's parent is a {parent.get('kind')}, not a Gateway")
            continue
        namespace, name = str(parent["namespace"]), str(parent.get("name"))
        gateway = case.scene.named("Gateway", namespace, name)
        found = _of_gateway(case, gateway) if gateway else _missing(case, namespace, name)
        if found.outcome == "pass":
            return found
        first = first or found
    assert first is not None, "there is at least one parent"
    return first


def _missing(case: Case, namespace: str, name: str) -> Hop:
    refused = case.scene.hidden("Gateway")
    if refused:
        return hidden(HopName.ADDRESS, refused)
    route = case.backends[0].route
    there = ", ".join(found.identity.partition("/")[2] for found in case.scene.of("Gateway")) or "no Gateway at all"
    return broken(
        HopName.ADDRESS,
        f"Gateway/{namespace}/{name}",
        f"it is not there; there is {there}",
        f"the Gateway that {route.identity} names as its parent",
        kubectl("get gateways -A"),
        kubectl(f"edit httproute {route.name}", route.namespace),
    )


def _of_gateway(case: Case, gateway: Manifest) -> Hop:
    status = gateway.table("status")
    accepted = condition(status, "Accepted")
    klass = gateway.text("spec", "gatewayClassName")
    known = [found.name for found in case.scene.of("GatewayClass")]
    if known and klass not in known:
        return broken(
            HopName.ADDRESS,
            ident(gateway),
            f"its class is {klass}, and there is {', '.join(sorted(known))}",
            "a GatewayClass that is there",
            kubectl("get gatewayclass"),
            kubectl(f"edit gateway {gateway.name}", gateway.namespace),
        )
    if accepted.get("status") in (None, "Unknown"):
        return broken(
            HopName.ADDRESS,
            ident(gateway),
            f"no controller has taken it up (class {klass})",
            f"a running controller of the class {klass} that writes Accepted=True",
            kubectl(f"get gatewayclass {klass}"),
            _describe(gateway),
        )
    addresses = [str(entry.get("value")) for entry in gateway.rows("status", "addresses") if entry.get("value")]
    if not addresses:
        return _no_address(gateway, accepted, condition(status, "Programmed"))
    for value in addresses:
        if not _is_number(value) and case.scene.names.get(value) is False:
            return broken(
                HopName.ADDRESS,
                ident(gateway),
                f"the name {value} does not resolve from this machine",
                "a DNS entry for the address",
                f"$ nslookup {value}",
            )
    return passed(HopName.ADDRESS, ident(gateway), f"at {', '.join(addresses)}")


def _no_address(gateway: Manifest, *conditions: Mapping[str, Any]) -> Hop:
    """A Gateway without one. A condition that is False for another reason is the listener's to tell."""
    refused = [entry for entry in conditions if entry.get("status") == "False"]
    if any(entry.get("reason") not in _PASSING for entry in refused):
        return absent(HopName.ADDRESS, f"{ident(gateway)} has none: its listener says why")
    said = next((entry.get("message") for entry in refused if entry.get("message")), "")
    return broken(
        HopName.ADDRESS,
        ident(gateway),
        f"it has no address{f': {said}' if said else ''}",
        "an address in status.addresses: the load balancer of its Service must get one",
        kubectl(f"get service -l gateway.networking.k8s.io/gateway-name={gateway.name}", gateway.namespace),
        _describe(gateway),
    )


def _describe(gateway: Manifest) -> str:
    return kubectl(f"describe gateway {gateway.name}", gateway.namespace)


def _is_number(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _of_proxy(case: Case, proxy: Proxy) -> Hop:
    pod = proxy.pods[0]
    if proxy.service is None:
        refused = case.scene.hidden("Service")
        if refused:
            return hidden(HopName.ADDRESS, refused)
        ports = ", ".join(str(number) for _, number in proxy.container.ports)
        return broken(
            HopName.ADDRESS,
            f"Pod/{pod.namespace}/{pod.name}",
            f"no Service leads to its proxy (port {ports})",
            "a Service whose selector matches the pod and whose targetPort is the proxy's",
            kubectl("get services -o wide", pod.namespace),
            kubectl(f"get pod {pod.name} --show-labels", pod.namespace),
        )
    service = proxy.service
    ingress = service.rows("status", "loadBalancer", "ingress")
    if service.text("spec", "type") == "LoadBalancer" and not ingress:
        return broken(
            HopName.ADDRESS,
            ident(service),
            "it is of type LoadBalancer and has no address yet",
            "an address from the platform's load balancer; a bare cluster has none",
            kubectl(f"describe service {service.name}", service.namespace),
            kubectl(f'patch service {service.name} -p \'{{"spec":{{"type":"ClusterIP"}}}}\'', service.namespace),
        )
    return passed(HopName.ADDRESS, ident(service), entrance(case))
