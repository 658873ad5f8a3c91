"""The use case: look once, then judge every claim."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from llmdctl.errors import UsageError
from llmdctl.helm import Helm
from llmdctl.kube import Cluster
from llmdctl.model.check import Outcome
from llmdctl.model.proof import Proof, VerifyReport
from llmdctl.prometheus import Ask
from llmdctl.release.changes import placed
from llmdctl.release.clock import SYSTEM_CLOCK, Clock
from llmdctl.release.record import current, revisions
from llmdctl.release.redaction import redact_text
from llmdctl.release.verify.claim import Claim, NotConcernedError, UnknowableError, Verdict
from llmdctl.release.verify.observed import Observed
from llmdctl.release.verify.observing import Effort, Reporter, observe
from llmdctl.release.verify.prompts import BUDGET, WAKE
from llmdctl.release.verify.proofs import CLAIMS
from llmdctl.release.verify.sending import REQUEST_S
from llmdctl.release.verify.stack import Stack

_ALL: Final = "See them all with: llmdctl status -A"
_PAGES: Final = "guides/proofs"


def verify(
    name: str,
    namespace: str,
    *,
    helm: Helm,
    cluster: Cluster,
    claims: Sequence[Claim] = tuple(CLAIMS.values()),
    long: bool = False,
    budget: int = BUDGET,
    request_s: float = REQUEST_S,
    prometheus: Ask | None = None,
    wake_s: float | None = None,
    clock: Clock = SYSTEM_CLOCK,
    report: Reporter = lambda _: None,
) -> VerifyReport:
    """The proofs of a release as it runs now; at most `budget` small requests are sent to the model.

    `prometheus` is asked the autoscalers' queries, instead of the one in the cluster that KEDA asks. With `wake_s` a
    release that sleeps is woken by a request that may take so long; without, none is sent to it.

    Raises UsageError when there is no such release, and the errors of both doors for what nothing can be said without.
    """
    started_s = clock.monotonic()
    shown = current(revisions(cluster, name, namespace))
    if shown is None:
        raise UsageError(f"there is no release {name} in namespace {namespace}", remedy=_ALL)
    objects = placed(helm.manifest(name, namespace, shown.revision).objects, namespace, cluster.served())
    stack = Stack(objects=objects, namespace=namespace, recipe=shown.recipe, facets=shown.facts.facets)
    asks = any(name != WAKE for claim in claims for name in claim.sends)
    effort = Effort(
        long=long, ask=asks, seed=random.getrandbits(64), budget=budget, request_s=request_s, prometheus=prometheus,
        wake_s=wake_s,
    )  # fmt: skip
    seen = observe(cluster, stack, release=name, effort=effort, clock=clock, report=report)
    proofs = tuple(prove(claim, seen) for claim in claims)
    return VerifyReport(
        release=name, namespace=namespace, recipe=shown.recipe, revision=shown.revision, server=cluster.server,
        entrance=seen.entrance, asleep=tuple(each.role for each in seen.sleeps if seen.asleep), requests=seen.requests,
        budget=budget, seconds=round(clock.monotonic() - started_s, 3), proofs=proofs,
    )  # fmt: skip


def prove(claim: Claim, seen: Observed) -> Proof:
    """One claim over what was seen."""
    try:
        verdict = claim.judge(seen)
    except NotConcernedError as reason:
        verdict = Verdict(outcome=Outcome.SKIP, message=_sentence(str(reason)), remedy=reason.remedy)
    except UnknowableError as missing:
        verdict = Verdict(outcome=Outcome.UNKNOWN, message=_sentence(missing.reason), remedy=missing.remedy)
    verdict = _sleeping(claim, seen, verdict)
    return Proof(
        code=claim.code, slug=claim.slug, title=claim.title, family=claim.family, claim=claim.claim,
        outcome=verdict.outcome, message=redact_text(_sentence(verdict.message)), evidence=verdict.evidence,
        remedy=verdict.remedy, requests=sum(name in seen.exchanges for name in claim.sends),
        doc=f"{_PAGES}/{claim.code}.md",
    )  # fmt: skip


def _sleeping(claim: Claim, seen: Observed, verdict: Verdict) -> Verdict:
    """Of a release that sleeps nothing is claimed that only one that serves can do; what is wrong anyway stays so."""
    if not (claim.awake and seen.asleep) or verdict.outcome in (Outcome.FAIL, Outcome.SKIP):
        return verdict
    places = ", ".join(f"{each.workload} has 0 replicas until {each.waker} wakes it" for each in seen.sleeps)
    wake = f"$ llmdctl verify {seen.release} -n {seen.namespace} --wake"
    return Verdict(outcome=Outcome.SKIP, message=f"It sleeps: {places}.", remedy=(wake,))


def _sentence(text: str) -> str:
    """With a capital letter, unless it begins with a name, and with a full stop."""
    word = text.partition(" ")[0]
    front = text[:1].upper() + text[1:] if word.isalpha() else text
    return front + ("" if text.endswith((".", "?")) else ".")
