"""What accepts connections at the address: a Gateway's listener, or a standalone Envoy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmdctl.lint import Manifest
from llmdctl.lint.manifest import rows
from llmdctl.model.check import Evidence
from llmdctl.model.hop import Hop, HopName
from llmdctl.release.doctor import envoy
from llmdctl.release.doctor.ailing import ailing
from llmdctl.release.doctor.case import Case, Proxy
from llmdctl.release.doctor.hearing import EVERY, OURS, deaf
from llmdctl.release.doctor.verdicts import absent, broken, ident, kubectl, passed, unsure
from llmdctl.release.readiness import condition


def judge(case: Case) -> Hop:
    """Broken: a listener that is not there or not programmed, a missing certificate, an Envoy that is not up."""
    if case.gateways:
        return next(_of_gateway(case), None) or passed(
            HopName.LISTENER, ident(case.gateways[0]), _programmed(case.gateways[0])
        )
    if case.parents:
        return absent(HopName.LISTENER, "the Gateway is not there")
    if case.proxy is not None:
        return _of_proxy(case, case.proxy)
    return absent(HopName.LISTENER, "neither Gateway nor proxy")


def _programmed(gateway: Manifest) -> str:
    names = [f"{row.get('name')}:{row.get('port')}" for row in gateway.rows("spec", "listeners")]
    return f"programmed, {', '.join(names)}"


def _says(entry: Mapping[str, Any]) -> str:
    return ": ".join(str(entry[key]) for key in ("reason", "message") if entry.get(key)) or "no reason given"


def _of_gateway(case: Case) -> Iterator[Hop]:
    for parent in case.parents:
        gateway = case.scene.named("Gateway", str(parent["namespace"]), str(parent.get("name")))
        if gateway is None:
            continue
        yield from _named(gateway, parent)
        for row in _used(gateway, parent):
            yield from _certificates(case, gateway, row)
            yield from _conditions(gateway, row)
            yield from _allowed(case, gateway, row)
        for kind in ("Accepted", "Programmed"):
            entry = condition(gateway.table("status"), kind)
            if entry.get("status") == "False":
                yield broken(
                    HopName.LISTENER,
                    ident(gateway),
                    f"not {kind}: {_says(entry)}",
                    f"{kind}=True",
                    kubectl(f"describe gateway {gateway.name}", gateway.namespace),
                )


def _used(gateway: Manifest, parent: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The listeners that a route attaches to: the one it names, or all."""
    found = [row for row in gateway.rows("spec", "listeners") if isinstance(row, Mapping)]
    section, port = parent.get("sectionName"), parent.get("port")
    return [row for row in found if section in (None, row.get("name")) and port in (None, row.get("port"))]


def _named(gateway: Manifest, parent: Mapping[str, Any]) -> Iterator[Hop]:
    if _used(gateway, parent):
        return
    have = ", ".join(f"{row.get('name')} (port {row.get('port')})" for row in gateway.rows("spec", "listeners"))
    wanted = parent.get("sectionName") or f"port {parent.get('port')}"
    yield broken(
        HopName.LISTENER,
        ident(gateway),
        f"it has no listener {wanted}; it has {have or 'none'}",
        "the listener that the route's parentRef names",
        kubectl(f"edit gateway {gateway.name}", gateway.namespace),
    )


def _certificates(case: Case, gateway: Manifest, row: Mapping[str, Any]) -> Iterator[Hop]:
    for reference in rows(row, "tls", "certificateRefs"):
        if str(reference.get("kind") or "Secret") != "Secret":
            continue
        namespace, name = str(reference.get("namespace") or gateway.namespace), str(reference.get("name"))
        if case.scene.named("Secret", namespace, name) is not None:
            continue
        refused = next((entry for entry in case.scene.unread if entry.kind == f"Secret/{namespace}/{name}"), None)
        if refused:
            yield unsure(
                HopName.LISTENER,
                ident(gateway),
                f"whether the Secret {name} is there cannot be told: {refused.message}",
                f"Ask an administrator for the right to get secrets/{name} in {namespace}.",
            )
            continue
        yield broken(
            HopName.LISTENER,
            ident(gateway),
            f"its listener {row.get('name')} names the Secret {name}, which is not there",
            f"a Secret {name} of type kubernetes.io/tls in {namespace}",
            kubectl(f"create secret tls {name} --cert=tls.crt --key=tls.key", namespace),
        )


def _conditions(gateway: Manifest, row: Mapping[str, Any]) -> Iterator[Hop]:
    status: Mapping[str, Any] = next(
        (s for s in gateway.rows("status", "listeners") if s.get("name") == row.get("name")), {}
    )
    for kind in ("Conflicted", "Accepted", "ResolvedRefs", "Programmed"):
        entry = condition(status, kind)
        if entry.get("status") == ("True" if kind == "Conflicted" else "False"):
            said = "Conflicted" if kind == "Conflicted" else f"not {kind}"
            yield broken(
                HopName.LISTENER,
                ident(gateway),
                f"listener {row.get('name')} is {said}: {_says(entry)}",
                "a listener that is accepted, without conflict and programmed",
                kubectl(f"describe gateway {gateway.name}", gateway.namespace),
            )


def _allowed(case: Case, gateway: Manifest, row: Mapping[str, Any]) -> Iterator[Hop]:
    namespaces = (row.get("allowedRoutes") or {}).get("namespaces") or {}
    if namespaces.get("from", "Same") != "Same":
        return
    outside = [found.route for found in case.backends if found.route.namespace != gateway.namespace]
    if outside:
        yield broken(
            HopName.LISTENER,
            ident(gateway),
            f"its listener {row.get('name')} takes routes of {gateway.namespace} only, and {outside[0].name} is in "
            f"{outside[0].namespace}",
            "allowedRoutes.namespaces.from: All, or a Selector that the route's namespace matches",
            kubectl(f"edit gateway {gateway.name}", gateway.namespace),
        )


def _of_proxy(case: Case, proxy: Proxy) -> Hop:
    pod = proxy.pods[0]
    where = f"Pod/{pod.namespace}/{pod.name}"
    up = [found for found in proxy.pods if found.status(proxy.container.name).get("ready")]
    scheduled = any(found.status(proxy.container.name) for found in proxy.pods)
    unheard = _unheard(case, proxy, where) if not up else None
    if unheard is not None:
        return unheard
    if not up and scheduled:
        found = ailing(case.scene, pod, proxy.container.name)
        if found is not None:
            return broken(
                HopName.LISTENER,
                where,
                f"the proxy {proxy.container.name} is not up: {found.message}",
                "an Envoy that is ready",
                *found.remedy,
                evidence=found.evidence,
            )
    elif not up:
        return absent(HopName.LISTENER, f"{where} does not run yet; the picker beside it says why")
    target = proxy.port.get("targetPort", proxy.port.get("port"))
    ports = {number for _, number in proxy.container.ports} | {name for name, _ in proxy.container.ports if name}
    if proxy.service is not None and ports and target not in ports:
        have = ", ".join(f"{name} {number}".strip() for name, number in proxy.container.ports)
        return broken(
            HopName.LISTENER,
            ident(proxy.service),
            f"its port {proxy.port.get('port')} leads to {target}, and the proxy has {have}",
            "the targetPort of the proxy",
            kubectl(f"edit service {proxy.service.name}", proxy.service.namespace),
            evidence=(Evidence(object=where, observed=f"container {proxy.container.name}: ports {have}"),),
        )
    if not up:
        return broken(
            HopName.LISTENER,
            where,
            f"the proxy {proxy.container.name} is not ready",
            "an Envoy that is ready",
            kubectl(f"logs {pod.name} -c {proxy.container.name}", pod.namespace),
        )
    return passed(HopName.LISTENER, where, f"the proxy {proxy.container.name} is ready in {len(up)} pods")


def _unheard(case: Case, proxy: Proxy, where: str) -> Hop | None:
    for name, text in case.mounted_texts(proxy.container).items():
        said = deaf(proxy.pods[0], envoy.read(text).addresses)
        if said:
            return broken(
                HopName.LISTENER,
                where,
                f"the proxy {proxy.container.name} {said}",
                f"listeners on {EVERY}, with ipv4_compat",
                OURS,
                kubectl(f"edit configmap {name}", proxy.pods[0].namespace),
            )
    return None
