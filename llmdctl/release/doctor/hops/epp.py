"""The endpoint picker: does it run, with a configuration that it takes, for this pool, and does the proxy reach it?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.lint.command import CommandLine
from llmdctl.lint.manifest import look
from llmdctl.lint.pods import Container, Pod
from llmdctl.model.check import Evidence
from llmdctl.model.finding import Finding, Severity
from llmdctl.model.hop import Hop, HopName
from llmdctl.release.doctor.ailing import ailing, workload
from llmdctl.release.doctor.case import GRPC_PORT, Case, epp_in
from llmdctl.release.doctor.failures import EPP, SCRAPING, told
from llmdctl.release.doctor.hops.leading import nobody
from llmdctl.release.doctor.hops.proxied import asked, secure
from llmdctl.release.doctor.scene import LivePod
from llmdctl.release.doctor.verdicts import absent, broken, hidden, ident, kubectl, passed, quoted
from llmdctl.release.redaction import redact_text

_ISTIO_SIDECAR: Final = "istio-proxy"


def judge(case: Case) -> Hop:
    """Broken: not there, not ready, for another pool, on another port, or with no proxy that asks it."""
    if case.pool is None:
        return absent(HopName.EPP, "the pool is not there")
    refused = case.scene.hidden("Pod", "Deployment")
    if refused:
        return hidden(HopName.EPP, refused)
    return next(_faults(case), None) or _well(case)


def _well(case: Case) -> Hop:
    ready = sum(pod.ready for pod in case.epp_pods)
    version = f", version {case.epp_version}" if case.epp_version else ""
    return passed(
        HopName.EPP, f"Service/{case.namespace}/{case.picker_name}", f"{ready} of {len(case.epp_pods)} ready{version}"
    )


def _faults(case: Case) -> Iterator[Hop]:
    yield from _there(case)
    yield from _running(case)
    for pod in case.epp_pods:
        found = epp_in(pod)
        if found is not None:
            yield from _serving(case, pod, *found)
            yield from _words(case, pod, found[0])
    yield from asked(case)
    yield from _mesh(case)


def _there(case: Case) -> Iterator[Hop]:
    if case.service is None:
        return
    selector = case.service.table("spec", "selector")
    behind = case.scene.selected(selector, case.namespace)
    where, wanted = ident(case.service), ", ".join(f"{key}={value}" for key, value in selector.items())
    described = next((epp.container.pod for epp in case.epps), None)
    if not case.epp_pods and described is not None:
        yield _without_pod(described)
    elif not case.epp_pods:
        yield broken(
            HopName.EPP,
            where,
            f"no endpoint picker is behind it (selector {wanted})",
            "a Deployment of the endpoint picker whose pods it selects",
            kubectl("get pods --show-labels", case.namespace),
        )
    elif not any(pod in behind for pod in case.epp_pods):
        pod = case.epp_pods[0]
        labels = {key: pod.labels.get(key) for key in selector}
        yield broken(
            HopName.EPP,
            where,
            f"its selector ({wanted}) does not match the picker's pod {pod.name} "
            f"({', '.join(f'{key}={value}' for key, value in labels.items())})",
            "the labels of the picker's pods",
            kubectl(f"edit service {case.service.name}", case.namespace),
        )


def _without_pod(described: Pod) -> Hop:
    """The workload of a picker that has none."""
    workload = described.workload
    if described.replicas == 0:
        return broken(
            HopName.EPP,
            workload.identity,
            "it is scaled to 0",
            "at least one replica",
            kubectl(f"scale {workload.kind.lower()} {workload.name} --replicas=1", workload.namespace),
        )
    return broken(
        HopName.EPP,
        workload.identity,
        "it has no pod",
        "a pod of the endpoint picker",
        kubectl(f"describe {workload.kind.lower()} {workload.name}", workload.namespace),
        kubectl("get events --sort-by=.lastTimestamp", workload.namespace),
    )


def _running(case: Case) -> Iterator[Hop]:
    if not case.epp_pods or any(pod.ready for pod in case.epp_pods):
        return
    yield nobody(case) or _unready(case, case.epp_pods[0])


def _unready(case: Case, pod: LivePod) -> Hop:
    """Why a picker is not: what its containers' state says, else its log, else only that it is so."""
    found = epp_in(pod)
    container = found[0].name if found else ""
    where, wanted = f"Pod/{pod.namespace}/{pod.name}", "a picker that is ready"
    ail = ailing(case.scene, pod, container) or ailing(case.scene, pod)
    if ail is not None:
        lint = _config_findings(case) if ail.kind in ("crash-loop", "not-ready") else ()
        more = tuple(f"{entry.code}: {entry.message} {entry.remedy}".strip() for entry in lint[:2])
        return broken(HopName.EPP, where, ail.message, wanted, *ail.remedy, *more, evidence=ail.evidence)
    meant = told(case.scene.log(pod, container), EPP, case.namespace)
    log = kubectl(f"logs {pod.name} -c {container}", pod.namespace)
    if meant is not None:
        evidence = (Evidence(object=f"log of {container}", observed=redact_text(meant.line)[:300]),)
        return broken(
            HopName.EPP, where, f"it is not ready: {meant.words}", wanted, meant.remedy, log, evidence=evidence
        )
    unready = [str(row.get("name")) for row in pod.manifest.rows("status", "containerStatuses") if not row.get("ready")]
    return broken(
        HopName.EPP,
        where,
        f"it is not ready: {quoted(unready) or pod.manifest.text('status', 'phase')}",
        wanted,
        log,
        kubectl(f"describe pod {pod.name}", pod.namespace),
    )


def _config_findings(case: Case) -> tuple[Finding, ...]:
    codes = [f"LD{number}" for number in (*range(1801, 1829), *range(1840, 1845))]
    return tuple(entry for entry in case.findings(*codes) if entry.severity is Severity.ERROR)


def _serving(case: Case, pod: LivePod, container: Container, line: CommandLine) -> Iterator[Hop]:
    """Pool, namespace and port, as its flags say them."""
    where = f"Pod/{pod.namespace}/{pod.name}"
    edit = _edit_workload(case, pod)
    named, namespace = line.value("--pool-name"), line.value("--pool-namespace")
    if named is not None and named != case.name:
        yield broken(
            HopName.EPP,
            where,
            f"it runs with --pool-name={named}",
            f"--pool-name={case.name}: it waits for a pool of that name, and nobody says so",
            edit,
        )
    if namespace is not None and namespace != case.namespace:
        yield broken(
            HopName.EPP,
            where,
            f"it runs with --pool-namespace={namespace}",
            f"--pool-namespace={case.namespace}",
            edit,
        )
    group = line.value("--pool-group")
    if group is not None and case.pool is not None and group != case.pool.group:
        yield broken(HopName.EPP, where, f"it runs with --pool-group={group}", f"--pool-group={case.pool.group}", edit)
    port = line.integer("--grpc-port") if line.find("--grpc-port") else GRPC_PORT
    rows = case.service.rows("spec", "ports") if case.service else ()
    row: Mapping[str, Any] = next((entry for entry in rows if entry.get("port") == case.picker_port), {})
    target = row.get("targetPort", row.get("port"))
    number = dict(container.ports).get(target) if isinstance(target, str) else target
    if case.service is not None and row and port is not None and number != port:
        yield broken(
            HopName.EPP,
            ident(case.service),
            f"its port {case.picker_port} leads to {target}"
            f"{f' ({number})' if isinstance(target, str) else ''}, and the picker listens on {port}",
            f"targetPort {port}",
            kubectl(f"edit service {case.service.name}", case.namespace),
        )


def _edit_workload(case: Case, pod: LivePod) -> str:
    kind, name = workload(pod)
    return kubectl(f"edit {kind} {name}", case.namespace)


def _words(case: Case, pod: LivePod, container: Container) -> Iterator[Hop]:
    """What a picker that is ready says all the same: rights that it lacks, metrics that it cannot read."""
    lines = case.scene.log(pod, container.name)
    where = f"Pod/{pod.namespace}/{pod.name}"
    # A right that was missing for a moment after an install is in the log for long: only the last lines count.
    rights = [failure for failure in EPP if failure.slug in ("forbidden", "no-crd")]
    refused = told(lines[-60:], rights, case.namespace)
    if refused is not None and not _since(lines, refused.line):
        account = pod.manifest.text("spec", "serviceAccountName") or "default"
        what = re.search(r'resource \\*"([\w./-]+)', refused.line)
        yield broken(
            HopName.EPP,
            where,
            refused.words,
            "get, list and watch on what the picker reads",
            refused.remedy,
            f"$ kubectl auth can-i list {what.group(1) if what else 'pods'} -n {case.namespace} "
            f"--as=system:serviceaccount:{case.namespace}:{account}",
            evidence=(Evidence(object=f"log of {container.name}", observed=redact_text(refused.line)[:300]),),
        )
    scraping = told(lines[-60:], SCRAPING, case.namespace)
    if scraping is not None and any(entry.ready for entry in case.served):
        found = case.findings("LD1867", "LD1868", "LD1869")
        yield broken(
            HopName.EPP,
            where,
            scraping.words,
            "metrics of every model server",
            found[0].remedy if found and found[0].remedy else scraping.remedy,
            kubectl(f"logs {pod.name} -c {container.name}", pod.namespace),
            evidence=(Evidence(object=f"log of {container.name}", observed=redact_text(scraping.line)[:300]),),
        )


def _since(lines: tuple[str, ...], line: str) -> bool:
    """Whether the picker said after that line that its watches had come up."""
    after = list(lines)
    position = max((index for index, entry in enumerate(after) if entry.strip() == line), default=0)
    return any("Starting workers" in entry or "Starting Controller" in entry for entry in after[position + 1 :])


def _mesh(case: Case) -> Iterator[Hop]:
    """Istio: TLS to the picker by a DestinationRule, and no mesh sidecar before its port."""
    classes = [gateway.text("spec", "gatewayClassName") for gateway in case.gateways]
    injected = [pod for pod in case.epp_pods if any(found.name == _ISTIO_SIDECAR for found in pod.containers)]
    if injected:
        yield broken(
            HopName.EPP,
            f"Pod/{case.namespace}/{injected[0].name}",
            "Istio put its sidecar before the picker: TLS inside TLS on its port",
            "no mesh sidecar in the picker's pod",
            'Annotate the pod template with sidecar.istio.io/inject: "false".',
            _edit_workload(case, injected[0]),
        )
    found = epp_in(case.epp_pods[0]) if case.epp_pods else None
    if (
        "istio" not in classes
        or case.scene.hidden("DestinationRule")
        or secure(found[1] if found else None) is not True
    ):
        return
    host = f"{case.picker_name}.{case.namespace}.svc"
    rules = [rule for rule in case.scene.of("DestinationRule") if _hosts(rule.text("spec", "host"), case, host)]
    if not any(look(rule.value, "spec", "trafficPolicy", "tls", "mode") == "SIMPLE" for rule in rules):
        yield broken(
            HopName.EPP,
            f"Service/{case.namespace}/{case.picker_name}",
            "the picker serves TLS, and no DestinationRule tells Istio so: every request ends with 500",
            f"a DestinationRule for {host}.cluster.local with tls mode SIMPLE and insecureSkipVerify",
            kubectl("get destinationrules", case.namespace),
        )


def _hosts(stated: str, case: Case, host: str) -> bool:
    return stated == case.picker_name or stated.startswith(host) or stated == f"{case.picker_name}.{case.namespace}"
