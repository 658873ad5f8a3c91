"""The routing sidecar before an engine that decodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from llmdctl.lint.recognition import Sidecar
from llmdctl.model.check import Evidence
from llmdctl.model.hop import Hop, HopName
from llmdctl.release.doctor.ailing import ailing, workload
from llmdctl.release.doctor.case import Case, engine_in, sidecar_in
from llmdctl.release.doctor.failures import SIDECAR, told
from llmdctl.release.doctor.scene import LivePod
from llmdctl.release.doctor.verdicts import absent, broken, from_lint, kubectl, passed

_PORT: Final = 8000
"""`--port` unless stated, https://github.com/llm-d/llm-d-router cmd/pd-sidecar."""
_ENGINE_PORT: Final = {True: 8001, False: 8200}  # before 0.10, and from it on


def judge(case: Case) -> Hop:
    """Broken: not up, on a port that is not the pool's, or before another port than the engine's."""
    pods = [(pod, found) for pod in case.pods if (found := sidecar_in(pod)) is not None]
    if not pods:
        return absent(HopName.SIDECAR, "no pod of the pool has a routing sidecar")
    up = sum(bool(pod.status(found.container.name).get("ready")) for pod, found in pods)
    return next(_faults(case, pods), None) or passed(
        HopName.SIDECAR, f"InferencePool/{case.key}", f"{up} of {len(pods)} are ready"
    )


def _faults(case: Case, pods: list[tuple[LivePod, Sidecar]]) -> Iterator[Hop]:
    pod, found = pods[0]
    yield from _ports(case, pod, found)
    yield from _fitting(case, pod)
    ready = [entry for entry, sidecar in pods if entry.status(sidecar.container.name).get("ready")]
    if not ready:
        yield from _down(case, pods)


def _ports(case: Case, pod: LivePod, found: Sidecar) -> Iterator[Hop]:
    where = f"Pod/{pod.namespace}/{pod.name}"
    kind, name = workload(pod)
    edit = kubectl(f"edit {kind} {name}", pod.namespace)
    port = (found.line.integer("--port") if found.line.find("--port") else _PORT) or _PORT
    if case.target_ports and port not in case.target_ports:
        yield broken(
            HopName.SIDECAR,
            where,
            f"it listens on {port}, and requests come to {case.target_ports[0]}",
            f"--port={case.target_ports[0]}, the pool's target port",
            edit,
        )
    engine = engine_in(pod)
    stated = found.line.find("--vllm-port", "--model-server-port")
    old = not found.version or found.version < (0, 10)
    told_port = found.line.integer("--vllm-port", "--model-server-port") if stated else _ENGINE_PORT[old]
    if engine is not None and engine.port is not None and told_port is not None and told_port != engine.port:
        yield broken(
            HopName.SIDECAR,
            where,
            f"it sends requests to port {told_port}, and the engine listens on {engine.port}",
            f"{'--vllm-port' if old else '--model-server-port'}={engine.port}",
            edit,
        )


def _fitting(case: Case, pod: LivePod) -> Iterator[Hop]:
    """Its connector and the engine's, as the linter compares them."""
    kind, name = workload(pod)
    for found in case.findings("LD1957", "LD1959"):
        if found.object.split("/")[-1] == name and found.object.split("/")[0].lower() == kind:
            hop = from_lint(HopName.SIDECAR, found)
            yield (
                hop
                if found.remedy
                else replace(hop, expected="one KV transfer in the sidecar's flags and the engine's")
            )


def _down(case: Case, pods: list[tuple[LivePod, Sidecar]]) -> Iterator[Hop]:
    for pod, found in pods:
        container = found.container.name
        if not pod.status(container):
            continue
        where = f"Pod/{pod.namespace}/{pod.name}"
        ail = ailing(case.scene, pod, container)
        meant = told(case.scene.log(pod, container), SIDECAR, case.namespace)
        log = kubectl(f"logs {pod.name} -c {container}", pod.namespace)
        if ail is not None and ail.kind != "pending":
            words = f"{ail.message}" if meant is None or meant.words in ail.message else f"{ail.message}: {meant.words}"
            yield broken(HopName.SIDECAR, where, words, "a sidecar that is ready", *ail.remedy, evidence=ail.evidence)
        elif pod.state(container) == "running" and meant is not None:
            yield broken(
                HopName.SIDECAR,
                where,
                f"it is not ready: {meant.words}",
                "a sidecar that is ready",
                meant.remedy,
                log,
                evidence=(Evidence(object=f"log of {container}", observed=meant.line[:300]),),
            )
        elif pod.state(container) == "running" and all(
            row.get("ready") for row in pod.manifest.rows("status", "containerStatuses") if row.get("name") != container
        ):
            yield broken(HopName.SIDECAR, where, "it runs and is not ready", "a sidecar that is ready", log)
