"""From what was observed to a diagnosis: the hops in order, up to the first that is broken. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmdctl.lint import Manifest
from llmdctl.model.check import Evidence, Outcome
from llmdctl.model.finding import Finding, Severity
from llmdctl.model.hop import Also, Chain, Diagnosis, Hop, HopName
from llmdctl.release.doctor.ailing import everything
from llmdctl.release.doctor.case import Case
from llmdctl.release.doctor.discovering import cases
from llmdctl.release.doctor.hops import JUDGES
from llmdctl.release.doctor.hops.address import entrance
from llmdctl.release.doctor.hops.engine import hung
from llmdctl.release.doctor.scene import Scene
from llmdctl.release.doctor.verdicts import absent, edit

_LINT_KINDS: Final = frozenset(
    {
        "Deployment",
        "StatefulSet",
        "LeaderWorkerSet",
        "InferencePool",
        "HTTPRoute",
        "InferenceObjective",
        "InferenceModelRewrite",
        "ScaledObject",
        "HorizontalPodAutoscaler",
        "GCPBackendPolicy",
        "ConfigMap",
        "Service",
    }
)
_HOPS: Final = frozenset(
    {"LD1603", "LD1919", "LD1920", "LD1922", "LD1923", "LD1926", "LD1927", "LD1930", "LD1957", "LD1959"}
)
"""What the hops judge themselves: beside one that is broken the linter would say it again."""
_SHOWN: Final = 8  # findings of the linter


def diagnose(scene: Scene, *, release: str = "", pool: str = "", namespace: str = "", model: str = "") -> Diagnosis:
    """Every chain of a scene, judged."""
    chosen = cases(scene, release=release, pool=pool, namespace=namespace, model=model)
    return Diagnosis(
        release=release,
        namespace=namespace,
        server=scene.server,
        chains=tuple(judge(case) for case in chosen),
        requests=sum(tried.times for tried in scene.tried.values() if not tried.answer.untried),
    )


def judge(case: Case) -> Chain:
    """One chain. What comes after a broken hop is not looked at: it would only say the same in other words."""
    hops: list[Hop] = []
    broken: HopName | None = None
    for name, look in JUDGES:
        hop = look(case) if broken is None else absent(name, f"not looked at: the {broken.value} is broken")
        hops.append(hop)
        if hop.outcome is Outcome.FAIL:
            broken = name
    first = next((hop for hop in hops if hop.outcome is Outcome.FAIL), None)
    return Chain(
        pool=case.key,
        entrance=entrance(case),
        hops=tuple(hops),
        also=tuple(_also(case, first)),
    )


def _also(case: Case, first: Hop | None) -> Iterator[Also]:
    """What else is wrong, beyond what the broken hop says already."""
    said = first.saw if first else ""
    pods = {pod.name: pod for pod in (*case.pods, *case.epp_pods)}
    for found in (*everything(case.scene, list(pods.values())), *hung(case)):
        if found.message not in said:
            yield found
    yield from _linted(case, said, _HOPS if first is not None else frozenset())


def _linted(case: Case, said: str, apart: frozenset[str]) -> Iterator[Also]:
    """What the linter finds wrong with the objects of this chain, which work otherwise."""
    mine = _mine(case)
    judged = [
        entry
        for entry in case.scene.findings
        if (_counts(entry, mine) or _shared(case, entry)) and entry.message not in said and entry.code not in apart
    ]
    for entry in list({(entry.code, entry.message): entry for entry in judged}.values())[:_SHOWN]:
        outcome = Outcome.FAIL if entry.severity is Severity.ERROR else Outcome.WARN
        yield Also(
            kind="lint",
            object=entry.object,
            outcome=outcome,
            message=f"{entry.code}: {entry.message}",
            remedy=tuple(part for part in (entry.remedy, edit(entry.object)) if part),
            evidence=(Evidence(object=entry.object, observed=entry.path),) if entry.path else (),
        )


def _mine(case: Case) -> set[str]:
    """The objects of a chain, as findings name them."""
    mine = {pod.workload.identity for pod in case.templates}
    mine |= {epp.container.pod.workload.identity for epp in case.epps}
    mine |= {epp.config.source.identity for epp in case.epps if epp.config is not None}
    mine |= {backend.route.identity for backend in case.backends}
    mine |= {case.identity} | {
        found.identity
        for found in case.scene.of("InferenceObjective", "InferenceModelRewrite", namespace=case.namespace)
    }
    mine |= {
        found.identity
        for found in case.scene.of(
            "ScaledObject", "HorizontalPodAutoscaler", "GCPBackendPolicy", namespace=case.namespace
        )
    }
    mine |= {
        service.identity for service in case.scene.of("Service", namespace=case.namespace) if _to_pool(case, service)
    }
    return mine


def _to_pool(case: Case, service: Manifest) -> bool:
    """Whether a Service is meant for pods of the pool: a proxy's way past a picker that does not answer."""
    return bool(case.selector) and case.selector.items() <= service.table("spec", "selector").items()


def _shared(case: Case, entry: Finding) -> bool:
    """Of two pools that select the same pods the linter names one; it concerns both."""
    return entry.code == "LD1921" and entry.message.endswith(f"and by {case.name}.")


def _counts(entry: Finding, mine: set[str]) -> bool:
    kind = entry.object.partition("/")[0]
    return entry.severity in (Severity.ERROR, Severity.WARNING) and kind in _LINT_KINDS and entry.object in mine
