"""Standalone: whom the proxy asks for an endpoint, and whether that is this pool's picker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmdctl.lint.command import CommandLine
from llmdctl.model.hop import Hop, HopName
from llmdctl.release.doctor import envoy
from llmdctl.release.doctor.case import GRPC_PORT, Case, epp_in
from llmdctl.release.doctor.verdicts import broken, kubectl

_NEAR: Final = frozenset({"127.0.0.1", "localhost", "::1", "0.0.0.0"})


def asked(case: Case) -> Iterator[Hop]:
    """Standalone: the proxy's ext_proc filter leads to this picker, at its port and in its manner."""
    proxy = case.proxy
    if proxy is None or not case.epp_pods:
        return
    found = epp_in(case.epp_pods[0])
    line = found[1] if found else None
    for name, text in case.mounted_texts(proxy.container).items():
        config = envoy.read(text)
        where = f"Pod/{proxy.pods[0].namespace}/{proxy.pods[0].name}"
        edit = kubectl(f"edit configmap {name}", case.namespace)
        if config.problem:
            yield broken(
                HopName.EPP, where, f"the proxy's configuration: {config.problem}", "a configuration of Envoy", edit
            )
            continue
        if not config.asking:
            yield broken(
                HopName.EPP,
                where,
                "the proxy's configuration has no ext_proc filter, so nobody asks the picker",
                "the filter envoy.filters.http.ext_proc before the router",
                edit,
            )
            continue
        yield from _same_way(case, where, config.asking[0], line, edit)


def _same_way(case: Case, where: str, asking: envoy.Asking, line: CommandLine | None, edit: str) -> Iterator[Hop]:
    port = (line.integer("--grpc-port") if line and line.find("--grpc-port") else GRPC_PORT) or GRPC_PORT
    wanted = port if asking.host in _NEAR else case.picker_port
    other = _elsewhere(case, asking.host)
    if other:
        yield broken(
            HopName.EPP,
            where,
            f"the proxy asks {asking.host}:{asking.port}, {other}: its configuration is another deployment's",
            f"127.0.0.1 or the Service {case.picker_name} in the cluster {asking.cluster}",
            edit,
        )
    if asking.host and asking.port != wanted:
        yield broken(
            HopName.EPP,
            where,
            f"the proxy asks {asking.host}:{asking.port}, and the picker listens on {wanted}",
            f"port {wanted} in the cluster {asking.cluster}",
            edit,
        )
    if not asking.host:
        yield broken(
            HopName.EPP,
            where,
            f"the proxy's ext_proc filter asks the cluster {asking.cluster}, which it does not have",
            "a cluster of that name that leads to the picker",
            edit,
        )
    tls = secure(line)
    if asking.host and tls is not None and tls != asking.tls:
        one, other = ("TLS", "plain text") if asking.tls else ("plain text", "TLS")
        yield broken(
            HopName.EPP,
            where,
            f"the proxy speaks {one} to the picker, and the picker speaks {other}",
            "--secure-serving and the transport_socket of the proxy's cluster both on or both off",
            edit,
        )


def _elsewhere(case: Case, host: str) -> str:
    """Why a host is not this pool's picker; empty where it is, or where that cannot be told."""
    name, _, rest = host.partition(".")
    namespace = rest.partition(".")[0] or case.namespace
    in_cluster = not rest or rest.partition(".")[2].partition(".")[0] == "svc"
    if host in _NEAR or not in_cluster or namespace != case.namespace or name == case.picker_name or not name:
        return ""
    if case.scene.hidden("Service"):
        return ""
    service = case.scene.named("Service", namespace, name)
    if service is None:
        return "a Service which is not there"
    behind = {pod.name for pod in case.scene.selected(service.table("spec", "selector"), namespace)}
    return "" if behind & {pod.name for pod in case.epp_pods} else "which is not the picker of this pool"


def secure(line: CommandLine | None) -> bool | None:
    """`--secure-serving`, on unless it is stated (https://github.com/llm-d/llm-d-router, cmd/epp)."""
    option = line.find("--secure-serving") if line else None
    if option is None:
        return True if line is not None and line.complete else None
    if option.opaque:
        return None
    return not option.joined or (option.value or "").lower() in ("true", "1", "t")
