"""A role that goes to zero comes back: what wakes it is measured while it is away, and a request does wake it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.kube import KubernetesObject
from llmdctl.lint.promql import selectors
from llmdctl.model.proof import Reading
from llmdctl.release.sleeping import hindrance, is_paused, may_sleep
from llmdctl.release.verify import commands, prompts
from llmdctl.release.verify.claim import Claim, NotConcernedError, UnknowableError, Verdict, failed, passed
from llmdctl.release.verify.names import EPP
from llmdctl.release.verify.observed import Observed
from llmdctl.release.verify.triggers import Trigger, other_kinds, triggers

_ENGINES: Final = ("vllm:", "sglang:", "trtllm")  # metrics that end with the last pod
_GATE: Final = "flowControl"
_SHOWN: Final = 160  # characters of an answer


def _can_wake(seen: Observed) -> Verdict:
    scaled = seen.autoscaling.scaled_objects
    if isinstance(scaled, str):
        if not seen.stack.of_kind("ScaledObject"):
            raise NotConcernedError("no role of this release goes to zero")
        raise UnknowableError(f"ScaledObjects cannot be listed: {scaled}")
    mine = [item for item in scaled if may_sleep(item)]
    if not mine:
        raise NotConcernedError("no role of this release goes to zero")
    if seen.stack.epp_version in EPP and seen.stack.epp_config and _GATE not in seen.stack.gates:
        gates = ", ".join(sorted(seen.stack.gates)) or "none"
        return failed(
            "A request for a sleeping role is refused, not held: flow control is off, so nothing that could wake it"
            " ever waits.",
            Reading(where="EndpointPickerConfig featureGates", after=gates, expected=_GATE),
            remedy=(
                "Install with flow control, or keep one replica: minReplicas of the role in `autoscaling.roles`.",
                commands.kubectl(seen, "get scaledobjects"),
            ),
        )  # fmt: skip
    readings: list[Reading] = []
    for item in mine:
        found = _of_one(seen, item)
        if isinstance(found, Verdict):
            return found
        readings += found
    names = ", ".join(str(item["metadata"]["name"]) for item in mine)
    return passed(f"What wakes {names} from zero is measured while it is away.", *readings)


def _of_one(seen: Observed, item: KubernetesObject) -> Verdict | list[Reading]:
    """A failure, or what is measured. Raises UnknowableError."""
    name, namespace = str(item["metadata"]["name"]), str(item["metadata"].get("namespace", ""))
    look = f"$ kubectl -n {namespace} describe scaledobject {name}"
    stopped = hindrance(item)
    if stopped is not None and is_paused(item):
        reading = Reading(where=f"ScaledObject/{namespace}/{name} Paused", after="True", expected="False")
        return failed(f"{name} is not woken from zero: {stopped[0]}.", reading, remedy=(stopped[1],))
    if stopped is not None:
        raise UnknowableError(f"{stopped[0]}, as LV0901 says", remedy=(stopped[1],))
    wakers = [trigger for trigger in triggers(item) if not _only_engines(trigger.query)]
    others = other_kinds(item)
    if not wakers and not others:
        return failed(
            f"{name} goes to zero, and every trigger asks for metrics of the engines, which end with the last of them:"
            " nothing brings the first back.",
            *(Reading(where=f"trigger {trigger.name}", after=trigger.query) for trigger in triggers(item)),
            remedy=("Add a trigger on the endpoint picker's queue, or set minReplicaCount to 1.", look),
        )  # fmt: skip
    measured = list(_measured(seen, item, wakers))
    if measured:
        return measured
    silent = next(filter(None, (_silence(seen, trigger) for trigger in wakers)), "")
    if silent:
        reading = Reading(where=f"ScaledObject/{namespace}/{name}", after=silent, expected="a number")
        return failed(f"{name} is not woken from zero: {silent}.", reading, remedy=("Look at LV0901.", look))
    raise UnknowableError(
        f"what wakes {name} is a trigger of type {others[0]}, which verify cannot ask"
        if others and not wakers
        else f"neither Prometheus nor KEDA says what {', '.join(each.name for each in wakers)} of {name} reads",
        remedy=(look,),
    )


def _only_engines(query: str) -> bool:
    asked = [found.metric for found in selectors(query)]
    return bool(asked) and all(metric.startswith(_ENGINES) for metric in asked)


def _measured(seen: Observed, item: KubernetesObject, wakers: list[Trigger]) -> Iterator[Reading]:
    """Triggers that read a number now: as Prometheus answers, else as KEDA says of itself."""
    health: Mapping[str, Any] = (item.get("status") or {}).get("health") or {}
    for trigger in wakers:
        answer = seen.autoscaling.answers.get(trigger.key)
        if answer is not None and answer.value is not None:
            wanted = f"above {trigger.activation} wakes it"
            yield Reading(where=f"Prometheus {trigger.name}", after=f"{answer.value:g}", expected=wanted)
        elif answer is None and (health.get(trigger.metric) or {}).get("status") == "Happy":
            yield Reading(where=f"KEDA's health of {trigger.metric}", after="Happy", expected="Happy")


def _silence(seen: Observed, trigger: Trigger) -> str:
    """Why a trigger reads nothing; empty where nobody could ask."""
    answer = seen.autoscaling.answers.get(trigger.key)
    if answer is None:
        return ""
    name = trigger.name
    return f"trigger {name}: {answer.error}" if answer.error else f"Prometheus has no series for trigger {name}"


def _wakes(seen: Observed) -> Verdict:
    if prompts.WAKE not in seen.exchanges:
        if not seen.asleep:
            raise NotConcernedError("it does not sleep")
        wake = f"$ llmdctl verify {seen.release} -n {seen.namespace} --wake"
        raise NotConcernedError("it sleeps, and nobody asked for it to be woken", remedy=(wake,))
    done = seen.exchanges[prompts.WAKE]
    if done.blind:
        raise UnknowableError(done.error)
    after = f"{done.reply.status} after {done.seconds:.1f} s" if done.reply else f"no answer: {done.error}"
    reading = Reading(where=f"{seen.entrance} /v1/completions", after=after, expected="200")
    if done.reply is not None and done.reply.good:
        return passed(f"It slept, and answered {done.seconds:.1f} s after it was asked.", reading)
    said = done.reply.text.strip()[:_SHOWN] if done.reply else ""
    return failed(
        f"The request that was to wake it got {after}{f': {said}' if said else ''}.", reading,
        remedy=(
            "Was it refused at once, look at LV0801 (flow control holds it) and LV0903; did it wait, at the new pod:",
            commands.doctor(seen),
        ),
    )  # fmt: skip


PROOFS: Final = (
    Claim(
        code="LV0903", slug="sleep-can-end", title="What wakes a role from zero is measured",
        claim="Of every role that goes to zero, something that is there meanwhile is measured and brings it back: a"
        " request that waits in the endpoint picker.",
        judge=_can_wake,
        why="Metrics of engines end with the last engine. A role that is scaled by them alone, or whose requests are"
        " refused instead of held, goes to zero at night and stays there.",
        reads="The triggers of ScaledObjects with minReplicaCount 0, what Prometheus answers to them (else KEDA's own"
        " health of them), and flow control in the endpoint picker's configuration.",
        remedy="Add a trigger on the endpoint picker's queue and switch flow control on, or keep one replica.",
        sources=("https://keda.sh/docs/2.21/reference/scaledobject-spec/#minreplicacount",),
    ),
    Claim(
        code="LV0904", slug="request-wakes", title="A request wakes it",
        claim="A release that sleeps answers a request, when a replica is there.",
        judge=_wakes, sends=(prompts.WAKE,),
        why="Nodes that are gone, a model that is gone, a limit of time on the way: whether a release comes back shows"
        " when somebody asks, which should not be a customer.",
        reads="With --wake alone: one request to a release that sleeps, and how long it takes.",
        remedy="`llmdctl doctor` says why the new pod is pending or not ready.",
    ),
)  # fmt: skip
