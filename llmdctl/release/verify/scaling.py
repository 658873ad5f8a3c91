"""Whether an autoscaler reads numbers and acts on them: pure, from the objects that KEDA and Kubernetes write.

The chain is Prometheus -> KEDA's operator -> its metrics adapter -> the HorizontalPodAutoscaler -> the workload, and it
can break at each arrow. The first broken one is named. An HPA alone is no witness: with a fallback, KEDA hands it the
threshold times the fallback's replicas, and it reports a valid metric while nothing is measured. Sources:
https://keda.sh/docs/2.21/reference/scaledobject-spec/#fallback, the status of
https://github.com/kedacore/keda/tree/v2.21.0/apis/keda/v1alpha1, and
https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale-walkthrough/#appendix-horizontal-pod-autoscaler-status-conditions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from llmdctl.lint import metric_names
from llmdctl.lint.promql import selectors
from llmdctl.model.proof import Reading
from llmdctl.release.verify.claim import Verdict, failed, passed, warned
from llmdctl.release.verify.triggers import triggers

Object = Mapping[str, Any]

_ASLEEP: Final = "ScalingDisabled"  # the reason of an HPA whose workload is at zero
_TRIGGER_ERRORS: Final = frozenset({"TriggerError", "PartialTriggerError"})  # reasons of Ready; the latter: some work
_OPERATOR_LOG: Final = "$ kubectl -n keda logs deployment/keda-operator --tail=20"
_ADAPTER: Final = "$ kubectl get apiservice v1beta1.external.metrics.k8s.io"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """What Prometheus says to one trigger's query: a number, None for no series, or `error`, its own or of the way."""

    value: float | None = None
    error: str = ""
    reached: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Scaler:
    """Everything seen of one autoscaled role.

    `external` is the name of an external metric -> its value, or why there is none; `answers` is the name of a trigger
    -> what Prometheus says to it, without those not asked. `epp` is the endpoint picker's dialect, empty where
    it is not known.
    """

    scaled_object: Object | None = None
    hpa: Object | None = None
    external: Mapping[str, float | str] = field(default_factory=dict)
    answers: Mapping[str, Answered] = field(default_factory=dict)
    epp: str = ""


def judge(scaler: Scaler) -> Verdict:
    """The first broken link between the signals and the replicas, or the numbers that were read."""
    for look in _LOOKS:
        found = look(scaler)
        if found is not None:
            return found
    return _works(scaler)


def unknown_series(query: str, epp: str) -> tuple[str, tuple[str, ...]] | None:
    """The first metric in a query that this version of the endpoint picker lacks, with the versions that have it."""
    if not epp:
        return None
    known = metric_names.epp_metrics(epp).series
    for selector in selectors(query):
        if selector.metric.startswith(metric_names.EPP_PREFIXES) and selector.metric not in known:
            return selector.metric, metric_names.versions_with(selector.metric)
    return None


def _of_keda(scaler: Scaler) -> Verdict | None:
    """Has KEDA seen the ScaledObject, and does it accept it?"""
    item = scaler.scaled_object
    if item is None:
        return None
    where = _place(item)
    conditions = _conditions(item)
    if not conditions:
        return failed(
            f"nobody has looked at {where}: KEDA's operator does not run, or does not watch this namespace",
            Reading(where=f"{where} status", after="no condition", expected="Ready"),
            remedy=("$ kubectl -n keda get pods", _OPERATOR_LOG),
        )
    ready = conditions.get("Ready", {})
    if ready.get("status") != "True" and not _unread(item):
        return failed(
            f"KEDA does not accept {where}: {_words(ready)}",
            Reading(where=f"{where} Ready", after=_words(ready), expected="True"),
            remedy=(f"$ kubectl -n {_namespace(item)} describe scaledobject {_name(item)}", _OPERATOR_LOG),
        )
    if conditions.get("Paused", {}).get("status") == "True":
        return warned(
            f"{where} is paused, so nothing scales",
            Reading(where=f"{where} Paused", after="True", expected="False"),
            remedy=(
                f"$ kubectl -n {_namespace(item)} annotate scaledobject {_name(item)} autoscaling.keda.sh/paused- "
                "autoscaling.keda.sh/paused-replicas-",
            ),
        )
    return None


def _of_prometheus(scaler: Scaler) -> Verdict | None:
    """Does every query of KEDA's get an answer?"""
    item = scaler.scaled_object
    failing = _failing(item) if item is not None else {}
    if item is None or not _unread(item):
        return None
    where, ready = _place(item), _conditions(item).get("Ready", {})
    evidence = [
        Reading(where=f"{where} health of {metric}", after=f"{count} failed looks", expected="0")
        for metric, count in failing.items()
    ]
    if _fell_back(item):
        evidence.append(Reading(where=f"{where} Fallback", after="True", expected="False"))
    if ready.get("status") != "True":
        evidence.append(Reading(where=f"{where} Ready", after=_words(ready), expected="True"))
    why, remedy = _why(scaler, failing)
    told = "; what the HPA shows is the fallback's number, nobody measured it" if _fell_back(item) else ""
    return failed(f"{why}{told}", *evidence, remedy=remedy)


def _why(scaler: Scaler, failing: Mapping[str, int]) -> tuple[str, tuple[str, ...]]:
    """The failed query in words, from the most certain cause to the least."""
    item = scaler.scaled_object or {}
    asked = list(triggers(item))
    for trigger in asked:
        missing = unknown_series(trigger.query, scaler.epp)
        if missing:
            versions = ", ".join(missing[1]) or "no known version"
            return (
                f"KEDA asks for {missing[0]}, which EPP {scaler.epp} does not have; those with it: {versions}",
                ("Set global.llmd.eppVersion to the version that the image really is, and install again.",),
            )
    for trigger in asked:
        answer = scaler.answers.get(trigger.name)
        if answer is not None and answer.error and answer.reached:
            return f"Prometheus cannot answer trigger {trigger.name}: {answer.error}", (
                f"Mend the query: {trigger.query}",
            )
        if answer is not None and answer.error:
            return f"Prometheus cannot be asked at {trigger.address}: {answer.error}", (
                "Start it, or set autoscaling.prometheus.serverAddress to where it is, and install again.",
            )
        if answer is not None and answer.value is None:
            return f"Prometheus has no series for trigger {trigger.name}: {trigger.query}", (
                "Look at its targets: is the endpoint picker scraped, under this namespace?",
                _monitors(item),
            )
    named = ", ".join(failing) or "its triggers"
    return f"KEDA fails to read {named} of {_place(item)}", (_OPERATOR_LOG, _monitors(item))


def _of_hpa(scaler: Scaler) -> Verdict | None:
    """Does the HPA read a number, and may it scale?"""
    hpa = scaler.hpa
    if hpa is None:
        owner = "the role" if scaler.scaled_object is None else _place(scaler.scaled_object)
        return failed(
            f"there is no HorizontalPodAutoscaler for {owner}",
            Reading(where=owner, after="no HPA", expected="one"),
            remedy=(_OPERATOR_LOG,),
        )
    where, conditions = _place(hpa), _conditions(hpa)
    for kind, claim in (("AbleToScale", "cannot scale its workload"), ("ScalingActive", "reads no number")):
        found = conditions.get(kind)
        if found is None:
            return warned(
                f"{where} has not been looked at yet",
                Reading(where=f"{where} {kind}", after="absent", expected="True"),
                remedy=("Ask again in half a minute.",),
            )
        if found["status"] != "True" and found.get("reason") != _ASLEEP:
            unknown = " (kubectl shows <unknown>)" if kind == "ScalingActive" else ""
            return failed(
                f"{where} {claim}{unknown}: {_words(found)}",
                Reading(where=f"{where} {kind}", after=str(found.get("reason", "False")), expected="True"),
                remedy=(f"$ kubectl -n {_namespace(hpa)} describe hpa {_name(hpa)}", _ADAPTER, _OPERATOR_LOG),
            )
    return None


def _of_external(scaler: Scaler) -> Verdict | None:
    """Does the external metrics API give what the HPA will ask for next?"""
    for name, value in scaler.external.items():
        if isinstance(value, str):
            return failed(
                f"the external metrics API gives no {name}: {value}",
                Reading(where=f"external.metrics.k8s.io {name}", after=value, expected="a number"),
                remedy=(_ADAPTER, _OPERATOR_LOG),
            )
    return None


def _of_nothing(scaler: Scaler) -> Verdict | None:
    """Is a number that is read one that somebody measured? KEDA can be told to take no series for 0."""
    item = scaler.scaled_object
    if item is None:
        return None
    for trigger in triggers(item):
        answer = scaler.answers.get(trigger.name)
        if answer is not None and answer.value is None and not answer.error:
            return warned(
                f"Prometheus has no series for trigger {trigger.name}, and KEDA takes that for a number:"
                f" {trigger.query}",
                Reading(where=f"Prometheus {trigger.name}", after="no series", expected="a number"),
                remedy=("Set ignoreNullValues: 'false' in the trigger, and look at the targets.", _monitors(item)),
            )
    return None


def _of_limits(scaler: Scaler) -> Verdict | None:
    """Is more wanted than may be?"""
    hpa = scaler.hpa or {}
    limited = _conditions(hpa).get("ScalingLimited", {})
    if limited.get("status") != "True" or limited.get("reason") != "TooManyReplicas":
        return None
    most = hpa["spec"]["maxReplicas"]
    return warned(
        f"{_place(hpa)} wants more than its {most} replicas: {_numbers(scaler)}",
        *_read(scaler),
        remedy=("Raise autoscaling.roles.<role>.maxReplicas if there are accelerators for more.",),
    )


_LOOKS: Final[Sequence[Callable[[Scaler], Verdict | None]]] = (
    _of_keda,
    _of_prometheus,
    _of_hpa,
    _of_external,
    _of_nothing,
    _of_limits,
)


def _works(scaler: Scaler) -> Verdict:
    hpa = scaler.hpa or {}
    status = hpa.get("status", {})
    asleep = _conditions(hpa).get("ScalingActive", {}).get("reason") == _ASLEEP
    current = 0 if asleep else status.get("currentReplicas", 0)
    wanted = 0 if asleep else status.get("desiredReplicas", 0)
    state = "at zero until a trigger becomes active" if asleep else f"{current} replicas, {wanted} wanted"
    numbers = _numbers(scaler)
    return passed(f"{_place(hpa)}: {state}{f'; {numbers}' if numbers else ''}", *_read(scaler))


def _numbers(scaler: Scaler) -> str:
    return ", ".join(
        f"{name} {value:g} for {_target(scaler.hpa or {}, name)} a replica"
        for name, value in scaler.external.items()
        if not isinstance(value, str)
    )


def _read(scaler: Scaler) -> tuple[Reading, ...]:
    measured = [(f"Prometheus {name}", answer.value) for name, answer in scaler.answers.items()]
    given = [(f"external.metrics.k8s.io {name}", value) for name, value in scaler.external.items()]
    return tuple(
        Reading(where=where, after=f"{value:g}", expected="a number")
        for where, value in [*measured, *given]
        if value is not None and not isinstance(value, str)
    )


def _target(hpa: Object, name: str) -> str:
    """The threshold of an external metric, as the HPA has it."""
    for row in hpa.get("spec", {}).get("metrics", []):
        external = row.get("external", {})
        if external.get("metric", {}).get("name") == name:
            target = external["target"]
            return str(target.get("averageValue") or target.get("value") or "?")
    return "?"


def _failing(item: Object) -> dict[str, int]:
    """Metric -> failed looks in a row, of those that KEDA counts as failing."""
    health = item.get("status", {}).get("health", {})
    return {
        name: int(entry.get("numberOfFailures", 0))
        for name, entry in sorted(health.items())
        if entry.get("status") == "Failing"
    }


def _unread(item: Object) -> bool:
    """Whether KEDA fails to read a trigger. Without a fallback it keeps no count, and says so in Ready alone."""
    reason = _conditions(item).get("Ready", {}).get("reason")
    return bool(_failing(item)) or _fell_back(item) or reason in _TRIGGER_ERRORS


def _fell_back(item: Object) -> bool:
    return bool(_conditions(item).get("Fallback", {}).get("status") == "True")


def _conditions(item: Object) -> dict[str, Object]:
    return {str(entry["type"]): entry for entry in item.get("status", {}).get("conditions", [])}


def _words(found: Object) -> str:
    return ": ".join(str(found[key]) for key in ("reason", "message") if found.get(key)) or "no reason is given"


def _monitors(item: Object) -> str:
    return f"$ kubectl -n {_namespace(item)} get podmonitor,servicemonitor"


def _place(item: Object) -> str:
    return f"{item.get('kind', '?')}/{_namespace(item)}/{_name(item)}"


def _name(item: Object) -> str:
    return str(item.get("metadata", {}).get("name", "?"))


def _namespace(item: Object) -> str:
    return str(item.get("metadata", {}).get("namespace", "?"))
