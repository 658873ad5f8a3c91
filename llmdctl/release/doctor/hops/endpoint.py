"""The endpoints: does the picker see the pods that are ready, and have they the roles that its profiles ask for?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmdctl.lint.manifest import look, rows
from llmdctl.model.hop import Hop, HopName
from llmdctl.prometheus import parse
from llmdctl.release.doctor.case import ROLE, Case, epp_in
from llmdctl.release.doctor.scene import Answer, LivePod
from llmdctl.release.doctor.verdicts import absent, broken, kubectl, passed, unsure

METRICS_PORT: Final = 9090
"""`--metrics-port` of the picker unless stated, https://github.com/llm-d/llm-d-router pkg/epp/server."""
_READY: Final = ("llm_d_epp_ready_endpoints", "inference_pool_ready_pods")  # 0.9 and later; 0.7
_ANY: Final = {"both", "encode-prefill-decode"}
_FILTERS: Final = {
    "decode-filter": {"decode", "prefill-decode", "", *_ANY},
    "prefill-filter": {"prefill", "prefill-decode", "encode-prefill", *_ANY},
    "encode-filter": {"encode", "encode-prefill", "encode-prefill-decode"},
}
"""The roles that each filter lets through; decode also takes pods without one. Source: roles.go of
https://github.com/llm-d/llm-d-router, v0.9.0 pkg/epp/framework/plugins/scheduling/filter/bylabel."""


def judge(case: Case) -> Hop:
    """Broken: the picker sees fewer endpoints than are ready, or no pod has a role that a profile asks for."""
    if case.pool is None:
        return absent(HopName.ENDPOINT, "the pool is not there")
    return next(_roles(case), None) or _seen(case)


def _roles(case: Case) -> Iterator[Hop]:
    labels = [*(pod.labels for pod in case.served), *(pod.labels for pod in case.templates)]
    served = {str(found.get(ROLE) or "") for found in labels}
    for epp in case.epps:
        if epp.config is None or not served:
            continue
        declared = {
            look(row, "name") or look(row, "type"): look(row, "type") for row in epp.config.source.rows("plugins")
        }
        for profile in epp.config.source.rows("schedulingProfiles"):
            used = {declared.get(look(row, "pluginRef")) for row in rows(profile, "plugins")}
            for kind in sorted(name for name in _FILTERS if name in used):
                if not any(role in _FILTERS[kind] for role in served):
                    have = ", ".join(sorted(role or "(none)" for role in served))
                    yield broken(
                        HopName.ENDPOINT,
                        case.identity,
                        f"its profile {look(profile, 'name')} has a {kind}, and no pod has "
                        f"a role that it lets through: there is {have}",
                        f"pods with the label {ROLE}={kind.removesuffix('-filter')}",
                        kubectl(f"get pods -L {ROLE}", case.namespace),
                    )


def _seen(case: Case) -> Hop:
    ready = [pod for pod in case.served if pod.ready]
    if not ready:
        return absent(HopName.ENDPOINT, "no model server is ready; the engine hop says why")
    where = f"InferencePool/{case.key}"
    answers = _answers(case)
    if not any(answer.good for answer in answers):
        refused = next((answer for answer in answers if answer.status in (401, 403)), None)
        reason = _why_not(answers)
        if refused is not None:
            reason = refused.failure or f"its metrics want a token ({refused.status})"
        return unsure(
            HopName.ENDPOINT, where, f"how many of {len(ready)} ready pods the picker sees cannot be told: {reason}"
        )
    counts = _counts(case)
    if not counts:
        return unsure(
            HopName.ENDPOINT,
            where,
            f"the picker's metrics do not say how many of {len(ready)} ready pods it sees",
            "One that has just started says it after some seconds: ask again.",
            kubectl(f"logs -l {_labels(case)} -c {_container(case)} --tail=50", case.namespace),
        )
    wanted = len(ready) * max(1, len(case.target_ports))
    if max(counts) < len(ready):
        return broken(
            HopName.ENDPOINT,
            where,
            f"the picker sees {max(counts)} endpoints, and {len(ready)} pods are ready",
            f"{wanted} endpoints: ports that the pods declare, and a selector that the picker reads as it is now",
            kubectl(f"logs -l {_labels(case)} -c {_container(case)} --tail=50", case.namespace),
            kubectl(f"rollout restart deployment {_picker(case)}", case.namespace),
        )
    return passed(HopName.ENDPOINT, where, f"the picker sees {max(counts)} endpoints, {len(ready)} pods are ready")


def untold(case: Case) -> bool:
    """Whether pickers give metrics in which nothing is said of the pool, although pods of it are ready."""
    good = [answer for answer in _answers(case) if answer.good]
    return bool(good) and not _counts(case) and any(pod.ready for pod in case.served)


def _answers(case: Case) -> list[Answer]:
    """The metrics of the pickers that are ready, look after look."""
    pickers = [pod for pod in case.epp_pods if pod.ready]
    return [answer for pod in pickers for answer in case.scene.asked(pod, metrics_port(pod), "/metrics")]


def _counts(case: Case) -> list[int]:
    answers = (answer for answer in _answers(case) if answer.good)
    return [number for answer in answers if (number := _count(answer.body, case.name)) is not None]


def _why_not(answers: list[Answer]) -> str:
    failure = next((answer.failure for answer in answers if answer.failure), "")
    return failure or "its metrics were not asked"


def metrics_port(pod: LivePod) -> int:
    """Where a picker has its metrics."""
    found = epp_in(pod)
    return (found[1].integer("--metrics-port") if found else None) or METRICS_PORT


def _count(text: str, pool: str) -> int | None:
    """The gauge of this pool in an exposition."""
    exposition = parse(text, wanted=lambda line: line.startswith(_READY))
    for name in _READY:
        found = [sample.value for sample in exposition.of(name) if sample.labels.get("name") == pool]
        if found:
            return int(sum(found))
    return None


def _labels(case: Case) -> str:
    selector = case.service.table("spec", "selector") if case.service else {}
    return ",".join(f"{key}={value}" for key, value in selector.items())


def _container(case: Case) -> str:
    return next((found[0].name for pod in case.epp_pods if (found := epp_in(pod)) is not None), "epp")


def _picker(case: Case) -> str:
    return next((epp.container.pod.workload.name for epp in case.epps), case.picker_name)
