"""The name that a request asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator

from llmdctl.lint.manifest import rows
from llmdctl.model.hop import Hop, HopName
from llmdctl.release.doctor.case import Case, engine_in
from llmdctl.release.doctor.hops.engine import asleep
from llmdctl.release.doctor.scene import LivePod
from llmdctl.release.doctor.verdicts import absent, broken, from_lint, kubectl, passed, quoted, unsure


def judge(case: Case) -> Hop:
    """Broken: servers of one pool that have different models, or a name that is asked for and that nobody serves."""
    if case.pool is None:
        return absent(HopName.MODEL, "the pool is not there")
    if asleep(case):
        return absent(HopName.MODEL, "nobody is asked while it sleeps")
    ready = [pod for pod in case.served if pod.ready]
    listed = [(pod, names) for pod in ready if (names := names_of(case, pod))]
    if not listed:
        return unsure(
            HopName.MODEL,
            case.identity,
            "which models are served cannot be told: no pod told it",
            kubectl("get pods -o wide", case.namespace),
        )
    return next(_faults(case, listed), None) or passed(
        HopName.MODEL, case.identity, f"{quoted(listed[0][1])} on {len(listed)} pods"
    )


def names_of(case: Case, pod: LivePod) -> tuple[str, ...]:
    """What /v1/models of a pod lists; where it was not asked, what its command line says."""
    engine = engine_in(pod)
    if engine is None:
        return ()
    answers = case.scene.asked(pod, engine.port, "/v1/models") if engine.port else ()
    for answer in answers:
        if answer.good:
            return tuple(listed_models(answer.body))
    return (*engine.served_names, *engine.adapters)


def listed_models(body: str) -> Iterator[str]:
    """The names in an answer of /v1/models."""
    try:
        value = json.loads(body)
    except ValueError:
        return
    for row in rows(value, "data"):
        if isinstance(row.get("id"), str):
            yield row["id"]


def _faults(case: Case, listed: list[tuple[LivePod, tuple[str, ...]]]) -> Iterator[Hop]:
    first, names = listed[0]
    for pod, others in listed[1:]:
        missing = [name for name in names if name not in others] or [name for name in others if name not in names]
        if missing and not set(names) & set(others):
            yield broken(
                HopName.MODEL,
                f"Pod/{pod.namespace}/{pod.name}",
                f"it serves {quoted(others)}, and {first.name} serves "
                f"{quoted(names)}: a request is answered or refused by chance",
                "one served name on every pod of a pool",
                kubectl("get pods -o wide", case.namespace),
            )
        elif missing:
            yield broken(
                HopName.MODEL,
                f"Pod/{pod.namespace}/{pod.name}",
                f"the adapter {quoted(missing)} is on some pods of the pool "
                "only: requests for it are answered or refused by chance",
                "every adapter on every pod",
                "Load it on every pod: POST /v1/load_lora_adapter, or --lora-modules.",
                kubectl("get pods -o wide", case.namespace),
            )
    if case.model and not any(case.model in names for _, names in listed):
        yield broken(
            HopName.MODEL,
            case.identity,
            f"nobody serves {case.model}; there is {quoted(names)}",
            "a name that /v1/models lists",
            f"$ llmdctl doctor -n {case.namespace} --pool {case.name} --model {names[0]}",
        )
    yield from _rewritten(case, {name for _, names in listed for name in names})
    routes = tuple(backend.route.identity for backend in case.backends)
    for found in case.findings("LD1930", objects=routes) if routes else ():
        yield from_lint(HopName.MODEL, found)


def _rewritten(case: Case, served: set[str]) -> Iterator[Hop]:
    """Targets of InferenceModelRewrite that no server has."""
    for rewrite in case.scene.of("InferenceModelRewrite", namespace=case.namespace):
        if rewrite.text("spec", "poolRef", "name") != case.name:
            continue
        for rule in rewrite.rows("spec", "rules"):
            for target in rows(rule, "targets"):
                name = target.get("modelRewrite")
                if isinstance(name, str) and name not in served:
                    yield broken(
                        HopName.MODEL,
                        rewrite.identity,
                        f"it sends requests to {name}, which nobody serves",
                        f"one of {quoted(sorted(served))}",
                        kubectl(f"edit inferencemodelrewrite {rewrite.name}", rewrite.namespace),
                    )
