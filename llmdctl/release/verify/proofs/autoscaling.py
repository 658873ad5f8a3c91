"""The autoscaler reads a number."""

from __future__ import annotations

from typing import Final

from llmdctl.kube import KubernetesObject, key_of
from llmdctl.lint.metric_names import EPP_PREFIXES, epp_metrics, versions_with
from llmdctl.lint.promql import selectors
from llmdctl.model.check import Outcome
from llmdctl.model.proof import Reading
from llmdctl.release.verify import commands
from llmdctl.release.verify.claim import Claim, NotConcernedError, UnknowableError, Verdict, failed, passed
from llmdctl.release.verify.names import EPP
from llmdctl.release.verify.observed import Observed
from llmdctl.release.verify.scaling import Scaler, judge
from llmdctl.release.verify.triggers import triggers
from llmdctl.release.verify.wording import counted

_WORST: Final = (Outcome.FAIL, Outcome.UNKNOWN, Outcome.WARN, Outcome.PASS, Outcome.SKIP)


def _numbers(seen: Observed) -> Verdict:
    scaled, hpas = seen.autoscaling.scaled_objects, seen.autoscaling.hpas
    if not seen.stack.of_kind("ScaledObject", "HorizontalPodAutoscaler") and not _live(scaled) and not _live(hpas):
        raise NotConcernedError("nothing scales the roles of this release")
    if isinstance(hpas, str):
        raise UnknowableError(f"HorizontalPodAutoscalers cannot be listed: {hpas}")
    if isinstance(scaled, str) and seen.stack.of_kind("ScaledObject"):
        raise UnknowableError(f"ScaledObjects cannot be listed: {scaled}")
    scalers = _scalers(seen, () if isinstance(scaled, str) else scaled, hpas)
    if not scalers:
        rendered = seen.stack.of_kind("ScaledObject", "HorizontalPodAutoscaler")
        readings = (Reading(where=str(key_of(each)), after="absent", expected="as rendered") for each in rendered)
        return failed(
            "Nothing in the cluster scales the roles of this release, and something was rendered for it.", *readings,
            remedy=(
                "Run the same `llmdctl install` again: it puts back what was rendered.",
                commands.kubectl(seen, "get scaledobjects,horizontalpodautoscalers"),
            ),
        )  # fmt: skip
    verdicts = sorted((judge(each) for each in scalers), key=lambda verdict: _WORST.index(verdict.outcome))
    worst = verdicts[0]
    evidence = tuple(reading for verdict in verdicts for reading in verdict.evidence)
    message = "; ".join(verdict.message for verdict in verdicts if verdict.outcome is worst.outcome)
    return Verdict(outcome=worst.outcome, message=message, evidence=evidence, remedy=worst.remedy)


def _live(found: tuple[KubernetesObject, ...] | str) -> bool:
    """Whether somebody else's object scales a role: it counts as well."""
    return bool(found) and not isinstance(found, str)


def _scalers(seen: Observed, scaled: tuple[KubernetesObject, ...], hpas: tuple[KubernetesObject, ...]) -> list[Scaler]:
    """One a workload: its ScaledObject with the autoscaler that KEDA made for it, or an autoscaler alone."""
    found, taken = [], set()
    for each in scaled:
        hpa = next((hpa for hpa in hpas if _target(hpa) == _target(each)), None)
        taken.add(_target(each))
        found.append(_scaler(seen, each, hpa))
    return found + [_scaler(seen, None, hpa) for hpa in hpas if _target(hpa) not in taken]


def _scaler(seen: Observed, scaled: KubernetesObject | None, hpa: KubernetesObject | None) -> Scaler:
    kept = seen.autoscaling.answers
    answers = {each.name: kept[each.key] for each in (triggers(scaled) if scaled else ()) if each.key in kept}
    version = seen.stack.epp_version
    epp = version if version in EPP else ""
    return Scaler(scaled_object=scaled, hpa=hpa, external=_external(seen, hpa), answers=answers, epp=epp)


def _external(seen: Observed, hpa: KubernetesObject | None) -> dict[str, float | str]:
    """What an autoscaler reads: metric -> value, or why there is none."""
    front = f"{key_of(hpa).name}/" if hpa is not None else "/"
    found = seen.autoscaling.external
    return {name.removeprefix(front): value for name, value in found.items() if name.startswith(front)}


def _target(obj: KubernetesObject) -> tuple[str, str]:
    reference = (obj.get("spec") or {}).get("scaleTargetRef") or {}
    return str(reference.get("kind") or "Deployment"), str(reference.get("name", ""))


def _names(seen: Observed) -> Verdict:
    queries = seen.stack.world.queries
    if not queries:
        raise NotConcernedError("nothing of this release asks Prometheus")
    version = seen.stack.epp_version
    if version not in EPP:
        raise UnknowableError("the version of the endpoint picker is not known from its image")
    asked = sorted({found.metric for query in queries for found in selectors(query.text)})
    own = [name for name in asked if name.startswith(EPP_PREFIXES)]
    unknown = [name for name in own if name not in epp_metrics(version).series]
    if unknown:
        others = ", ".join(versions_with(unknown[0])) or "no version that is known"
        reading = Reading(where="queries of the release", after=unknown[0], expected=f"a name of EPP {version}")
        name = seen.stack.epp.container.pod.workload.name if seen.stack.epp else ""
        return failed(
            f"EPP {version} has no {unknown[0]}, which a query asks for ({others} has it).", reading,
            remedy=(
                "Set global.llmd.eppVersion to the version that the image really is, and install again.",
                commands.kubectl(seen, f"get deployment {name} -o jsonpath='{{..image}}'"),
            ),
        )  # fmt: skip
    return passed(f"Queries ask the endpoint picker for {counted(len(own), 'name')}, all of which EPP {version} has.")


PROOFS: Final = (
    Claim(
        code="LV0901", slug="autoscaler-reads-number", title="The autoscaler reads a number",
        claim="Every autoscaler of the release reads the signals that it scales by.",
        judge=_numbers,
        why="An autoscaler that reads <unknown> does nothing, for weeks, unnoticed; KEDA's fallback even hides that.",
        reads="Conditions and health of ScaledObjects, current metrics of HorizontalPodAutoscalers, the values of"
        " external.metrics.k8s.io, and what Prometheus itself says to each query: the Service that KEDA asks, or"
        " --prometheus.",
        remedy="Look at the first broken link that the message names: Prometheus, KEDA, its adapter, the HPA.",
        sources=("https://keda.sh/docs/2.21/reference/scaledobject-spec/#fallback",),
    ),
    Claim(
        code="LV0902", slug="metric-names-exist", title="Queries ask for names that the scheduler has",
        claim="Every name of the endpoint picker in a query is a name of the version that is installed.",
        judge=_names,
        why="The names changed from 0.7 to 0.9; a query for an old one gives no series, which looks like no load.",
        reads="The queries of ScaledObjects and rules, and the names by version.",
        remedy="Install again with the version of the endpoint picker that runs.",
    ),
)  # fmt: skip
