"""The InferencePool: does it select pods, on ports that they listen on, and name a picker that is there?"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

from llmdctl.lint.manifest import look
from llmdctl.lint.pods import Pod
from llmdctl.lint.recognition import engine_of
from llmdctl.lint.rules.pools import listened_ports
from llmdctl.model.check import Evidence
from llmdctl.model.hop import Hop, HopName
from llmdctl.release.doctor.case import POOL_GROUPS, Case, epp_in
from llmdctl.release.doctor.verdicts import absent, broken, hidden, ident, kubectl, passed, quoted
from llmdctl.release.readiness import condition


def judge(case: Case) -> Hop:
    """Broken: a selector that fits nothing, a port that nobody listens on, a picker that is not there."""
    if case.pool is None:
        return absent(HopName.POOL, "the pool is not there")
    refused = case.scene.hidden("Pod", "Service")
    if refused:
        return hidden(HopName.POOL, refused)
    ports = quoted([str(port) for port in case.target_ports])
    return next(_faults(case), None) or passed(
        HopName.POOL, case.identity, f"selects {len(case.pods)} pods on port {ports}, picker {case.picker_name}"
    )


def _faults(case: Case) -> Iterator[Hop]:
    yield from _selection(case)
    yield from _ports(case)
    yield from _picker(case)
    yield from _accepted(case)


def _edit(case: Case) -> str:
    group = case.pool.group if case.pool else ""
    return kubectl(f"edit inferencepool.{group} {case.name}", case.namespace)


def _selection(case: Case) -> Iterator[Hop]:
    wanted = ", ".join(f"{key}={value}" for key, value in case.selector.items()) or "nothing"
    if not case.pods and not case.templates:
        near = _nearest(case)
        saw = f"its selector ({wanted}) matches no pod and no workload"
        if near is not None:
            differing = {
                key: near.labels.get(key) for key, value in case.selector.items() if near.labels.get(key) != value
            }
            labels = ", ".join(
                f"{key}={value if value is not None else '(absent)'}" for key, value in differing.items()
            )
            saw += f"; the pods of {near.workload.kind} {near.workload.name} have {labels or 'other labels'}"
        yield broken(
            HopName.POOL,
            case.identity,
            saw,
            "labels that every model server of the pool carries",
            _edit(case),
            kubectl("get pods --show-labels", case.namespace),
        )
    strangers = [pod.name for pod in case.pods if epp_in(pod) is not None]
    if strangers:
        yield broken(
            HopName.POOL,
            case.identity,
            f"its selector ({wanted}) also matches {quoted(strangers)}, which serves no model",
            "a label that only model servers carry",
            _edit(case),
        )


def _nearest(case: Case) -> Pod | None:
    """The model server in the namespace that most of the selector fits."""
    engines = [
        pod
        for pod in case.scene.templates
        if pod.workload.namespace == case.namespace and any(engine_of(found) for found in pod.containers())
    ]
    return max(engines, key=lambda pod: sum(pod.labels.get(k) == v for k, v in case.selector.items()), default=None)


def _ports(case: Case) -> Iterator[Hop]:
    for pod in case.served:
        listened = listened_ports(case.world, pod.pod)
        if listened is None:
            continue
        dead = [port for port in case.target_ports if port not in listened]
        if not dead:
            continue
        have = ", ".join(str(port) for port in sorted(listened))
        every = len(dead) == len(case.target_ports)
        what = "its endpoints are dropped or dead" if every else f"{len(dead)} endpoints of each pod are dead"
        named = f"target port{'s' if len(dead) > 1 else ''} {quoted([str(port) for port in dead])}"
        yield broken(
            HopName.POOL,
            case.identity,
            f"nothing in {pod.name} listens on {named}: {what}",
            f"port {have}" if len(listened) == 1 else f"one of the ports {have}",
            *_ports_patch(case, listened),
            _edit(case),
            evidence=(Evidence(object=f"Pod/{pod.namespace}/{pod.name}", observed=f"ports {have}"),),
        )
        return


def _ports_patch(case: Case, listened: Collection[int]) -> Iterator[str]:
    """The command that names the one port there is; where there are several, a person has to choose."""
    group = case.pool.group if case.pool else ""
    if len(listened) == 1 and group == POOL_GROUPS[0]:
        ports = json.dumps({"spec": {"targetPorts": [{"number": next(iter(listened))}]}}, separators=(",", ":"))
        yield kubectl(f"patch inferencepool.{group} {case.name} --type=merge -p '{ports}'", case.namespace)


def _picker(case: Case) -> Iterator[Hop]:
    services = [service.name for service in case.scene.of("Service", namespace=case.namespace)]
    if not case.picker_name:
        yield broken(
            HopName.POOL,
            case.identity,
            "it names no endpoint picker",
            "endpointPickerRef with the picker's Service",
            _edit(case),
        )
    elif case.service is None:
        yield broken(
            HopName.POOL,
            case.identity,
            f"its picker is the Service {case.picker_name}, which is not there",
            f"one of the Services {quoted(services) or '(there is none)'}",
            _edit(case),
            kubectl("get services", case.namespace),
        )
    elif case.picker_port not in [look(row, "port") for row in case.service.rows("spec", "ports")]:
        have = ", ".join(str(look(row, "port")) for row in case.service.rows("spec", "ports"))
        yield broken(
            HopName.POOL,
            case.identity,
            f"it asks port {case.picker_port} of the Service {case.picker_name}, which has {have}",
            "the port of the picker's gRPC",
            _edit(case),
        )


def _accepted(case: Case) -> Iterator[Hop]:
    """What gateways wrote into the pool's status."""
    if case.pool is None:
        return
    known = {gateway.name for gateway in case.gateways}
    for parent in case.pool.rows("status", "parents"):
        name = str((parent.get("parentRef") or {}).get("name"))
        for kind in ("Accepted", "ResolvedRefs"):
            entry = condition(parent, kind)
            if name in known and entry.get("status") == "False":
                yield broken(
                    HopName.POOL,
                    ident(case.pool),
                    f"not {kind} by Gateway {name}: {entry.get('reason')}: {entry.get('message')}",
                    f"{kind}=True",
                    kubectl(f"describe inferencepool {case.name}", case.namespace),
                )
