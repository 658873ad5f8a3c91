"""The model servers: do they run, do they answer, and do they still make tokens?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from llmdctl.lint import Manifest
from llmdctl.lint.pods import Pod
from llmdctl.lint.recognition import SGLANG, Engine
from llmdctl.model.check import Evidence, Outcome
from llmdctl.model.hop import Also, Hop, HopName
from llmdctl.release.doctor.ailing import ailing, workload
from llmdctl.release.doctor.case import ROLE, Case, engine_in
from llmdctl.release.doctor.hearing import EVERY, OURS, deaf, listens
from llmdctl.release.doctor.metrics import total
from llmdctl.release.doctor.scene import Answer, LivePod
from llmdctl.release.doctor.verdicts import absent, broken, hidden, kubectl, passed, unsure
from llmdctl.release.sleeping import HELPERS, hindrance, is_at_zero, waker

_RUNNING: Final = {SGLANG: ("sglang:num_running_reqs",)}
_TOKENS: Final = {SGLANG: ("sglang:generation_tokens_total", "sglang:prompt_tokens_total")}
_RUNNING_VLLM: Final = ("vllm:num_requests_running",)
_TOKENS_VLLM: Final = ("vllm:generation_tokens_total", "vllm:prompt_tokens_total")
"""Requests that run, and tokens made so far. Sources: vllm/v1/metrics/loggers.py of vLLM 0.32.0,
python/sglang/srt/metrics/collector.py of SGLang 0.5.23."""


def judge(case: Case) -> Hop:
    """Broken: no pod of a role is ready, all of a role that are do not answer, or one is hung."""
    if case.pool is None:
        return absent(HopName.ENGINE, "the pool is not there")
    refused = case.scene.hidden("Pod")
    if refused:
        return hidden(HopName.ENGINE, refused)
    return next(_faults(case), None) or _unasked(case) or _asleep(case) or _well(case)


def _well(case: Case) -> Hop:
    return passed(HopName.ENGINE, case.identity, _count(case))


def _asleep(case: Case) -> Hop | None:
    """Nobody is there to answer, and somebody comes when a request waits: by design, so nothing is broken."""
    found = sleepers(case)
    if not asleep(case):
        return None
    places = ", ".join(f"{workload.identity} has 0 replicas until {item.identity} wakes it" for workload, item in found)
    return absent(HopName.ENGINE, f"asleep: {places}")


def _unasked(case: Case) -> Hop | None:
    """Unknown, where ready pods say so by their probes alone: nobody could ask them anything."""
    answers = [_answer(case, pod, engine_in(pod), "/health") for pod in case.served if pod.ready]
    tried = [answer for answer in answers if answer is not None]
    if not tried or not all(answer.untried for answer in tried):
        return None
    return unsure(
        HopName.ENGINE, case.identity, f"{_count(case)}; whether they answer cannot be told: {tried[0].failure}"
    )


def roles(case: Case) -> Mapping[str, Sequence[LivePod]]:
    """The pods with an engine by role; a role whose workload has no pod is there with none."""
    found: dict[str, list[LivePod]] = {}
    for pod in case.templates:
        if any(engine.container.pod is pod for engine in case.world.engines):
            found.setdefault(str(pod.labels.get(ROLE) or ""), [])
    for live in case.served:
        found.setdefault(str(live.labels.get(ROLE) or ""), []).append(live)
    return found


def _count(case: Case) -> str:
    parts = []
    away = {str(pod.labels.get(ROLE) or "") for pod in _sleeping(case)}
    for role, pods in sorted(roles(case).items()):
        if role in away:
            parts.append(f"{role or 'its'} pods are asleep")
            continue
        ready = sum(pod.ready for pod in pods)
        parts.append(f"{ready} of {len(pods)} {role + ' ' if role else ''}pods are ready".replace("  ", " "))
    return ", ".join(parts) or "no pod"


def _faults(case: Case) -> Iterator[Hop]:
    by_role = roles(case)
    if not by_role:
        yield broken(
            HopName.ENGINE,
            case.identity,
            "no pod of the pool runs a model server that is known here",
            "vLLM, SGLang or TensorRT-LLM",
            kubectl("get pods", case.namespace),
        )
    away = {workload.identity for workload, _ in sleepers(case)}
    for role, pods in sorted(by_role.items()):
        named = f"{role} " if role else ""
        if not pods:
            workload = _workload_of(case, role)
            if workload.identity not in away:
                yield _nobody(case, workload)
        elif not any(pod.ready for pod in pods):
            yield _none_ready(case, named, pods)
        else:
            yield from _silent(case, named, [pod for pod in pods if pod.ready])
    for also in hung(case):
        yield broken(
            HopName.ENGINE,
            also.object,
            also.message,
            "tokens as long as requests run",
            *also.remedy,
            evidence=also.evidence,
        )


def _workload_of(case: Case, role: str) -> Manifest:
    return next(pod.workload for pod in case.templates if str(pod.labels.get(ROLE) or "") == role)


def asleep(case: Case) -> bool:
    """Whether nobody is there to answer until a request waits, which would change that."""
    awake = any(pod.ready for pod in case.served if pod.labels.get(ROLE) not in HELPERS)
    return not awake and any(str(pod.labels.get(ROLE) or "") not in HELPERS for pod in _sleeping(case))


def may_wake(case: Case) -> bool:
    """Whether a request could bring a replica back: what sleeps, and what may, where nobody may read that."""
    zero = [pod for pod in case.templates if is_at_zero(pod.workload.value)]
    unread = case.scene.hidden("ScaledObject") is not None and bool(zero) and not any(pod.ready for pod in case.served)
    return asleep(case) or unread


def _sleeping(case: Case) -> list[Pod]:
    away = {workload.identity for workload, _ in sleepers(case)}
    return [pod for pod in case.templates if pod.workload.identity in away]


def sleepers(case: Case) -> list[tuple[Manifest, Manifest]]:
    """Workloads at zero with the ScaledObject that brings each back; not where that cannot be."""
    scaled = {id(item.value): item for item in case.scene.of("ScaledObject", namespace=case.namespace)}
    found = []
    for role, pods in roles(case).items():
        if pods:
            continue
        workload = _workload_of(case, role)
        item = waker(workload.value, [each.value for each in scaled.values()]) if is_at_zero(workload.value) else None
        if item is not None and hindrance(item) is None:
            found.append((workload, scaled[id(item)]))
    return found


def _nobody(case: Case, chosen: Manifest) -> Hop:
    """A workload without pods: scaled to zero, or its pods are refused."""
    kind = chosen.kind.lower()
    if is_at_zero(chosen.value):
        item = waker(chosen.value, [each.value for each in case.scene.of("ScaledObject", namespace=case.namespace)])
        refused = case.scene.hidden("ScaledObject")
        if refused is not None:
            said = f"{chosen.identity} has 0 replicas, and whether somebody wakes it cannot be told"
            unread = hidden(HopName.ENGINE, refused)
            return replace(unread, object=chosen.identity, saw=f"{said}: {unread.saw}")
        stopped = hindrance(item) if item is not None else None
        if stopped is not None:
            return broken(
                HopName.ENGINE,
                chosen.identity,
                f"it sleeps at 0 replicas, and nobody will wake it: {stopped[0]}",
                "a ScaledObject that is ready and not paused",
                stopped[1],
                kubectl(f"scale {kind} {chosen.name} --replicas=1", chosen.namespace),
            )
        return broken(
            HopName.ENGINE,
            chosen.identity,
            "it is scaled to 0 replicas",
            "at least one, or an autoscaler that wakes it",
            kubectl(f"scale {kind} {chosen.name} --replicas=1", chosen.namespace),
        )
    failure: Mapping[str, Any] = next(
        (row for row in chosen.rows("status", "conditions") if row.get("type") == "ReplicaFailure"), {}
    )
    said = f": {failure.get('message')}" if failure.get("message") else ""
    return broken(
        HopName.ENGINE,
        chosen.identity,
        f"it has no pod{said}",
        f"{chosen.get('spec', 'replicas')} replicas",
        kubectl(f"describe {kind} {chosen.name}", chosen.namespace),
        kubectl("get events --sort-by=.lastTimestamp", chosen.namespace),
    )


def _none_ready(case: Case, named: str, pods: Sequence[LivePod]) -> Hop:
    expected = f"at least one ready {named}pod"
    unheard = _unheard(named, pods)
    if unheard is not None:
        return unheard
    for pod in pods:
        found = ailing(case.scene, pod)
        if found is not None:
            return broken(
                HopName.ENGINE,
                found.object,
                f"none of {len(pods)} {named}pods is ready: {found.message}",
                expected,
                *found.remedy,
                evidence=found.evidence,
            )
    pod = pods[0]
    where = f"Pod/{pod.namespace}/{pod.name}"
    engine = engine_in(pod)
    container = engine.container.name if engine else ""
    answer = _answer(case, pod, engine, "/health") or _answer(case, pod, engine, "/v1/models")
    log = kubectl(f"logs {pod.name} -c {container} --tail=50", pod.namespace)
    said = "it has not started yet" if not pod.status(container) else f"container {container} runs and is not ready"
    if answer is not None and not answer.untried:
        said += f"; /health answers {answer.status if answer.status is not None else 'nothing: ' + answer.failure}"
    return broken(
        HopName.ENGINE,
        where,
        f"none of {len(pods)} {named}pods is ready: {said}",
        expected,
        "A large model takes minutes to load: the log says how far it is.",
        log,
        kubectl(f"describe pod {pod.name}", pod.namespace),
        evidence=tuple(
            Evidence(object=f"log of {container}", observed=line[:300]) for line in case.scene.log(pod, container)[-2:]
        ),
    )


def _unheard(named: str, pods: Sequence[LivePod]) -> Hop | None:
    for pod in pods:
        said = deaf(pod, listens(engine_in(pod)))
        if said:
            kind, name = workload(pod)
            return broken(
                HopName.ENGINE,
                f"Pod/{pod.namespace}/{pod.name}",
                f"none of {len(pods)} {named}pods is ready: the engine {said}",
                f"an engine that listens on {EVERY}",
                OURS,
                kubectl(f"edit {kind} {name}", pod.namespace),
            )
    return None


def _answer(case: Case, pod: LivePod, engine: Engine | None, path: str) -> Answer | None:
    if engine is None or engine.port is None:
        return None
    return next(iter(case.scene.asked(pod, engine.port, path)), None)


def _silent(case: Case, named: str, pods: Sequence[LivePod]) -> Iterator[Hop]:
    """Ready by its probe, and its port answers nothing or an error: all of a role, since one is only seen beside."""
    asked = [(pod, engine_in(pod)) for pod in pods]
    answers = [(pod, engine, _answer(case, pod, engine, "/health")) for pod, engine in asked]
    known = [(pod, engine, answer) for pod, engine, answer in answers if answer is not None and not answer.untried]
    bad = [(pod, engine, answer) for pod, engine, answer in known if not answer.good]
    if not known or len(bad) < len(known):
        return
    pod, engine, answer = bad[0]
    said = f"{answer.status}" if answer.status is not None else f"nothing: {answer.failure}"
    port = engine.port if engine else 0
    kind, name = workload(pod)
    yield broken(
        HopName.ENGINE,
        f"Pod/{pod.namespace}/{pod.name}",
        f"its {named}engine is ready by its probe, and port {port} answers /health with {said}",
        "200",
        kubectl(f"logs {pod.name} -c {engine.container.name if engine else ''}", pod.namespace),
        kubectl(f"rollout restart {kind} {name}", pod.namespace),
    )


def running(engine: Engine, metrics: str) -> float | None:
    """The requests that an engine has in work, from its metrics; None when they do not say."""
    return total(metrics, _RUNNING.get(engine.name, _RUNNING_VLLM))


def hung(case: Case) -> Iterator[Also]:
    """Requests run, and between two looks no token was made."""
    for pod in case.served:
        engine = engine_in(pod)
        if engine is None or engine.port is None or not pod.ready:
            continue
        looks = [answer.body for answer in case.scene.asked(pod, engine.port, "/metrics") if answer.good]
        if len(looks) < 2:
            continue
        busy = [running(engine, text) for text in looks]
        tokens = [total(text, _TOKENS.get(engine.name, _TOKENS_VLLM)) for text in looks]
        if all(number is not None and number > 0 for number in busy) and None not in tokens and tokens[0] == tokens[-1]:
            yield Also(
                kind="hung",
                object=f"Pod/{pod.namespace}/{pod.name}",
                outcome=Outcome.FAIL,
                message=f"its engine is hung: {busy[-1]:.0f} requests run, and no token was made between two looks",
                remedy=(
                    kubectl(f"logs {pod.name} -c {engine.container.name} --tail=100", pod.namespace),
                    kubectl(f"delete pod {pod.name}", pod.namespace),
                ),
                evidence=(
                    Evidence(object=f"Pod/{pod.namespace}/{pod.name}", observed=f"tokens made: {tokens[0]:.0f} twice"),
                ),
            )
