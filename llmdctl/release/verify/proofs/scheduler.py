"""The endpoint picker runs what was rendered, and it is what places requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llmdctl.kube import KubernetesObject
from llmdctl.model.proof import Reading
from llmdctl.release.verify import commands, prompts
from llmdctl.release.verify.claim import Claim, NotConcernedError, UnknowableError, Verdict, failed, passed
from llmdctl.release.verify.counting import epp_changes, number, risen
from llmdctl.release.verify.loaded import loaded, rendered
from llmdctl.release.verify.names import REQUESTS, UPSTREAM
from llmdctl.release.verify.observed import END, START, EppPod, Observed

_SHOWN: Final = 4  # differences in a message
_PICKED: Final = "picked"  # the clusters of the proxy that the charts render
_FALLBACK: Final = "fallback"
_CHECKSUM: Final = "checksum/config"
_REINSTALL: Final = "Run the same `llmdctl install` again: it puts back what was rendered."


def _runs_rendered(seen: Observed) -> Verdict:
    wanted = rendered(_config(seen))
    evidence, wrong, silent = [], [], []
    for pod in _pods(seen):
        if isinstance(pod.log, str):
            silent.append(f"the log of {pod.name} cannot be read: {pod.log}")
            continue
        found = loaded(pod.log)
        if found is None:
            silent.append(_why_silent(pod))
            continue
        differences = wanted.differences(found)
        after = "; ".join(differences[:_SHOWN]) if differences else "as rendered"
        evidence.append(Reading(where=f"{pod.place} log", after=after, expected="as rendered"))
        if differences:
            wrong.append(f"{pod.name}: {', '.join(differences[:_SHOWN])}")
    if wrong:
        return failed(
            f"Another configuration is loaded than rendered. {'; '.join(wrong)}.", *evidence, remedy=_restart(seen)
        )
    if silent:
        raise UnknowableError(silent[0])
    number = len(evidence)
    return passed(f"{number} of {number} pods have loaded the {len(wanted.plugins)} plugins as rendered.", *evidence)


def _why_silent(pod: EppPod) -> str:
    """Of a pod whose log no longer has the line."""
    if not pod.log:
        return f"the log of {pod.name} is empty"
    return f"the log of {pod.name} does not (any more) say what it loaded: it tells of later things only"


def _unchanged(seen: Observed) -> Verdict:
    name = _map_name(seen)
    live = seen.live.get(f"ConfigMap/{name}")
    wanted = _rendered_map(seen, name)
    if live is None:
        reading = Reading(where=f"ConfigMap/{seen.namespace}/{name}", after="absent", expected="as rendered")
        return failed(f"ConfigMap {name} is not there.", reading, remedy=(_REINSTALL, commands.doctor(seen)))
    where = f"ConfigMap/{seen.namespace}/{name}"
    changed = [key for key in wanted if (live.get("data") or {}).get(key) != wanted[key]]
    if changed:
        reading = Reading(where=where, after=f"{', '.join(changed)} differs", expected="as rendered")
        return failed(
            f"ConfigMap {name} was changed after the install.", reading,
            remedy=(_REINSTALL, commands.kubectl(seen, f"get configmap {name} -o yaml --show-managed-fields")),
        )  # fmt: skip
    checksum = _checksum(seen)
    old = [pod for pod in _pods(seen) if checksum and pod.annotations.get(_CHECKSUM, checksum) != checksum]
    readings = [
        Reading(where=f"{pod.place} {_CHECKSUM}", after=pod.annotations.get(_CHECKSUM, "")[:12], expected=checksum[:12])
        for pod in old
    ]
    if old:
        return failed(
            f"{old[0].name} is older than the configuration in its ConfigMap.", *readings, remedy=_restart(seen)
        )
    return passed(f"ConfigMap {name} is as rendered, and no pod is older.", Reading(where=where, after="as rendered"))


def _places(seen: Observed) -> Verdict:
    if seen.stack.epp is None:
        raise NotConcernedError("the release has no endpoint picker")
    sent = [name for name in (prompts.COLD, *prompts.AGAIN) if seen.exchange(name).reply is not None]
    try:
        found = epp_changes(seen, REQUESTS, before=START, after=END)
    except UnknowableError as missing:
        return _passed_on(seen, len(sent), missing)
    placed = risen(found)
    readings = tuple(each.reading(f"+{len(sent)}") for each in found)
    if placed < len(sent):
        said = f"The endpoint picker placed {placed:.0f} of {len(sent)} requests: the others went past it."
        return failed(said, *readings, remedy=_past(seen))
    return passed(f"The endpoint picker placed {placed:.0f} requests while {len(sent)} were sent.", *readings)


def _passed_on(seen: Observed, sent: int, missing: UnknowableError) -> Verdict:
    """Where the picker's metrics cannot be read: to which of its clusters the proxy gave the requests."""
    rises = {}
    for cluster in (_PICKED, _FALLBACK):
        before, after = (
            seen.proxy_scrape(moment).total(UPSTREAM, envoy_cluster_name=cluster) for moment in (START, END)
        )
        if before is None or after is None:
            raise missing
        rises[cluster] = (before, after)
    readings = tuple(
        Reading(where=f"{seen.entrance} {UPSTREAM} {cluster}", before=number(before), after=number(after))
        for cluster, (before, after) in rises.items()
    )
    past = rises[_FALLBACK][1] - rises[_FALLBACK][0]
    if past > 0:
        said = f"The proxy gave {past:.0f} of {sent} requests to any pod, since nobody had placed them."
        return failed(said, *readings, remedy=_past(seen))
    return passed(f"The proxy gave all {sent} requests to the pods that were picked, none to any pod.", *readings)


def _past(seen: Observed) -> tuple[str, ...]:
    return (
        "With failureMode FailOpen a proxy sends requests anywhere while the endpoint picker does not answer.",
        commands.picker_log(seen),
    )


def _config(seen: Observed) -> Mapping[str, Any]:
    if seen.stack.epp is None:
        raise NotConcernedError("the release has no endpoint picker")
    if not seen.stack.epp_config:
        raise UnknowableError("its configuration is not among the rendered objects")
    return seen.stack.epp_config


def _pods(seen: Observed) -> tuple[EppPod, ...]:
    found = tuple(pod for pod in seen.epps if pod.ready)
    if not found:
        raise UnknowableError("no pod of the endpoint picker is ready")
    return found


def _map_name(seen: Observed) -> str:
    _config(seen)
    epp = seen.stack.epp
    outer = epp.config.source if epp is not None and epp.config is not None else None
    volumes = epp.container.pod.spec.get("volumes") if epp is not None else None
    for volume in volumes or ():
        name = (volume.get("configMap") or {}).get("name")
        if name and any(obj["metadata"]["name"] == name for obj in _maps(seen)):
            return str(name)
    raise UnknowableError(f"no ConfigMap of the release holds it ({outer.name if outer else 'no configuration'})")


def _maps(seen: Observed) -> tuple[KubernetesObject, ...]:
    return tuple(
        obj for obj in seen.stack.of_kind("ConfigMap")
        if any("EndpointPickerConfig" in str(text) for text in (obj.get("data") or {}).values())
    )  # fmt: skip


def _rendered_map(seen: Observed, name: str) -> Mapping[str, Any]:
    return next((obj.get("data") or {} for obj in _maps(seen) if obj["metadata"]["name"] == name), {})


def _checksum(seen: Observed) -> str:
    epp = seen.stack.epp
    return str(epp.container.pod.annotations.get(_CHECKSUM, "")) if epp is not None else ""


def _restart(seen: Observed) -> tuple[str, ...]:
    name = seen.stack.epp.container.pod.workload.name if seen.stack.epp else ""
    return (commands.kubectl(seen, f"rollout restart deployment {name}"),)


PROOFS: Final = (
    Claim(
        code="LV0201", slug="scheduler-config-loaded", title="The scheduler runs the rendered configuration",
        claim="Every pod of the endpoint picker has loaded the plugins, parameters, profiles and weights as rendered.",
        judge=_runs_rendered,
        why="The endpoint picker reads its file once, at its start. A changed ConfigMap changes nothing until then, and"
        " an empty file means built-in defaults, without an error.",
        reads="The line `Loaded raw configuration` at the beginning of each pod's log (written with -v=2).",
        remedy="Restart the endpoint picker, or install again.",
        sources=(
            "https://github.com/kubernetes-sigs/gateway-api-inference-extension/tree/v1.4.0/pkg/epp/config/loader",
            "https://github.com/llm-d/llm-d-router/tree/v0.9.0",
        ),
    ),
    Claim(
        code="LV0202", slug="scheduler-config-unchanged", title="The scheduler's ConfigMap is as rendered",
        claim="The ConfigMap holds what was rendered, and no pod was started from an older one.",
        judge=_unchanged,
        why="A ConfigMap that somebody edited takes effect at the next restart, when nobody expects a change.",
        reads="The ConfigMap, and the checksum of it that each pod carries as an annotation.",
        remedy="Install again, with the change in a values file.",
    ),
    Claim(
        code="LV0203", slug="scheduler-places-requests", title="Requests are placed by the scheduler",
        claim="Requests that go in at the entrance are counted by the endpoint picker.",
        judge=_places, awake=True, sends=(prompts.COLD, *prompts.AGAIN),
        why="With failureMode FailOpen everything is answered while the endpoint picker is away: round robin, no prefix"
        " routing, no prefill elsewhere, and no error.",
        reads="The endpoint picker's counter of requests, before and after; where that cannot be read, to which pods"
        " the proxy of a standalone release gave them.",
        remedy="Look at the endpoint picker's log and at the proxy's health check of it.",
    ),
)  # fmt: skip
