"""Requests pass the scheduler's queues where flow control is on."""

from __future__ import annotations

from typing import Final

from llmdctl.model.proof import Reading
from llmdctl.release.verify import prompts
from llmdctl.release.verify.claim import Claim, NotConcernedError, UnknowableError, Verdict, failed, passed
from llmdctl.release.verify.counting import epp_changes, risen
from llmdctl.release.verify.names import QUEUED
from llmdctl.release.verify.observed import END, START, Observed

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
            return failed(f"{pod.name} runs without flow control although its gate is rendered.", reading)
        if on is not None:
            readings.append(Reading(where=f"{pod.place} log", after="Flow Control layer initialised", expected="on"))
    if not readings:
        raise UnknowableError("no log of the endpoint picker says whether flow control is on")
    return passed(f"Flow control is on in {len(readings)} pods.", *readings)


def _queues(seen: Observed) -> Verdict:
    _concerned(seen)
    sent = sum(seen.exchange(name).reply is not None for name in (prompts.COLD, *prompts.AGAIN))
    found = epp_changes(seen, QUEUED, before=START, after=END)
    readings = tuple(each.reading(f"+{sent}") for each in found)
    if risen(found) < sent:
        return failed(f"{risen(found):.0f} of {sent} requests passed a queue of the scheduler.", *readings)
    return passed(f"{risen(found):.0f} requests passed the queues while {sent} were sent.", *readings)


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
        judge=_queues, sends=(prompts.COLD, *prompts.AGAIN),
        why="Priorities, fairness and limits hold only for what passes the queues. In which order they let requests go"
        " shows under load alone, which verify does not make.",
        reads="inference_extension_flow_control_request_queue_duration_seconds_count (EPP 0.7),"
        " llm_d_epp_flow_control_request_queue_duration_seconds_count (EPP 0.9 and later).",
        remedy="Look at LV0801 and LV0201.",
    ),
)  # fmt: skip
