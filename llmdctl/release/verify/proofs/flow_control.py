"""Requests pass the scheduler's queues where flow control is on."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from llmdctl.model.proof import Reading
from llmdctl.release.verify import commands, prompts
from llmdctl.release.verify.claim import Claim, NotConcernedError, UnknowableError, Verdict, failed, passed, warned
from llmdctl.release.verify.counting import epp_changes, risen
from llmdctl.release.verify.names import QUEUED, WAITED, epp_names
from llmdctl.release.verify.observed import END, START, Observed
from llmdctl.release.verify.wording import counted

_DISPATCHED: Final = "Dispatched"  # the outcome of a request that was let through
_WAITED_S: Final = 0.1  # less is no queue; one of the bounds of the histogram that every version has
_GATE: Final = "flowControl"
_ON: Final = ("Initializing experimental Flow Control layer", "Initializing Flow Control layer", "Flow Control enabled")
_OFF: Final = ("Flow Control layer is disabled", "Flow Control is disabled")


def _is_on(seen: Observed) -> Verdict:
    _concerned(seen)
    readings = []
    for pod in seen.epps:
        if not pod.ready or isinstance(pod.log, str):
            continue
        off = next((line for line in pod.log if any(words in line for words in _OFF)), None)
        on = next((line for line in pod.log if any(words in line for words in _ON)), None)
        if off is not None:
            reading = Reading(where=f"{pod.place} log", after="Flow Control layer is disabled", expected="on")
            return failed(
                f"{pod.name} runs without flow control although its gate is rendered.", reading,
                remedy=(
                    "Look at LV0201 and LV0202: does it run with the configuration as rendered?",
                    commands.picker_log(seen, -1) + " | grep -i flow",
                ),
            )  # fmt: skip
        if on is not None:
            readings.append(Reading(where=f"{pod.place} log", after="Flow Control layer initialised", expected="on"))
    if not readings:
        raise UnknowableError("no log of the endpoint picker says whether flow control is on")
    return passed(f"Flow control is on in {counted(len(readings), 'pod')}.", *readings)


def _queues(seen: Observed) -> Verdict:
    _concerned(seen)
    sent = sum(seen.exchange(name).reply is not None for name in (prompts.COLD, *prompts.AGAIN))
    found = epp_changes(seen, QUEUED, before=START, after=END)
    readings = tuple(each.reading(f"+{sent}") for each in found)
    if risen(found) < sent:
        return failed(
            f"{risen(found):.0f} of {sent} requests passed a queue of the scheduler.", *readings,
            remedy=("Look at LV0801 (is it on) and LV0203 (who places requests).", commands.picker_log(seen)),
        )  # fmt: skip
    return passed(f"{risen(found):.0f} requests passed the queues while {sent} were sent.", *readings)


def _orders(seen: Observed) -> Verdict:
    """Means since the endpoint picker started: who came when is not known, so a wrong order is a warning only."""
    _concerned(seen)
    waits = _waits(seen)
    means = {priority: waited / number for priority, (waited, number) in sorted(waits.items()) if number}
    if len(means) < 2 or max(means.values()) < _WAITED_S:
        raise NotConcernedError(
            f"requests of two priorities have not waited {_WAITED_S} s since the scheduler started, and verify makes no"
            " load"
        )
    readings = tuple(
        Reading(where=f"priority {priority:g}", after=f"{mean:.2f} s in the queue", expected="less the higher it is")
        for priority, mean in means.items()
    )
    for (lower, long), (higher, short) in pairwise(means.items()):
        if short > long:
            said = f"Requests of priority {higher:g} waited {short:.2f} s, and those of {lower:g} only {long:.2f} s."
            return warned(
                said, *readings,
                remedy=(
                    "Did both come at the same time? If they did, look at LV0201: which ordering is loaded?",
                    commands.kubectl(seen, "get inferenceobjectives -o wide"),
                ),
            )  # fmt: skip
    words = ", ".join(f"{mean:.2f} s at priority {priority:g}" for priority, mean in means.items())
    return passed(f"The higher the priority, the shorter the wait: {words}.", *readings)


def _waits(seen: Observed) -> dict[float, tuple[float, float]]:
    """Priority -> seconds waited, and requests that waited longer than `_WAITED_S`: those that found room at once, as
    verify's own do, say nothing of an order. Raises UnknowableError.
    """
    found: dict[float, tuple[float, float]] = {}
    for pod in seen.epps:
        if not pod.ready:
            continue
        read = seen.epp_scrape(START, pod.name)
        for sum_name, count_name in zip(_names(seen, WAITED), _names(seen, QUEUED), strict=True):
            bucket = count_name.removesuffix("_count") + "_bucket"
            soon = [sample for sample in read.of(bucket) if sample.labels.get("le") == str(_WAITED_S)]
            for samples, place, sign in ((read.of(sum_name), 0, 1), (read.of(count_name), 1, 1), (soon, 1, -1)):
                for sample in samples:
                    if sample.labels.get("outcome", _DISPATCHED) == _DISPATCHED:
                        priority = float(sample.labels.get("priority") or 0)
                        pair = list(found.get(priority, (0.0, 0.0)))
                        pair[place] += sign * sample.value
                        found[priority] = (pair[0], pair[1])
    return found


def _names(seen: Observed, counted: str) -> tuple[str, ...]:
    return epp_names(seen.stack.epp_version, counted)


def _concerned(seen: Observed) -> None:
    if _GATE not in seen.stack.gates:
        raise NotConcernedError("flow control is not switched on in this release")


PROOFS: Final = (
    Claim(
        code="LV0801", slug="flow-control-on", title="Flow control is on",
        claim="The endpoint picker has started its flow control layer.",
        judge=_is_on,
        why="The section flowControl of a configuration does nothing without its feature gate, and older versions say"
        " nothing about that.",
        reads="The endpoint picker's log.",
        remedy="Give featureGates the entry flowControl: --flow-control priorities does.",
    ),
    Claim(
        code="LV0802", slug="requests-are-queued", title="Requests pass the queues",
        claim="Each request that is sent is counted by a queue of flow control.",
        judge=_queues, awake=True, sends=(prompts.COLD, *prompts.AGAIN),
        why="Priorities, fairness and limits hold only for what passes the queues. In which order they let requests go"
        " shows under load alone, which verify does not make.",
        reads="inference_extension_flow_control_request_queue_duration_seconds_count (EPP 0.7),"
        " llm_d_epp_flow_control_request_queue_duration_seconds_count (EPP 0.9 and later).",
        remedy="Look at LV0801 and LV0201.",
    ),
    Claim(
        code="LV0803", slug="priorities-in-order", title="The higher the priority, the shorter the wait",
        claim="Of requests that had to wait, those of a higher priority waited less.",
        judge=_orders,
        why="With a wrong ordering, or with one band for all, everything is queued and nothing is ordered.",
        reads="The histogram that LV0802 reads, by priority, since the endpoint picker started: of requests that waited"
        f" longer than {_WAITED_S} s, their mean."
        " Verify makes no load, so an idle release makes no claim here; who came when is not known, so a wrong order is"
        " a warning.",
        remedy="Look at the priorities of the InferenceObjectives, and at flowControl in the configuration.",
    ),
)  # fmt: skip
