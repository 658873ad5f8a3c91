"""One real request through the real entrance."""

from __future__ import annotations

from llmdctl.model.check import Evidence
from llmdctl.model.hop import Hop, HopName
from llmdctl.release.doctor.case import Case
from llmdctl.release.doctor.hops.engine import asleep
from llmdctl.release.doctor.statuses import explain
from llmdctl.release.doctor.verdicts import absent, broken, passed, unsure
from llmdctl.release.redaction import redact_text

_INSTANCE = "app.kubernetes.io/instance"
_SHOWN = 300  # characters of an answer


def judge(case: Case) -> Hop:
    """Broken: no answer, or one that is no success, explained by the router's version."""
    tried = case.scene.tried.get(case.key)
    if tried is None and asleep(case):
        release = (case.pool.text("metadata", "labels", _INSTANCE) if case.pool else "") or case.name
        return absent(
            HopName.REQUEST,
            f"none was sent, for it would wake what sleeps: `llmdctl verify {release} -n {case.namespace} --wake` does",
        )
    if tried is None:
        return absent(HopName.REQUEST, "none was sent")
    answer = tried.answer
    if answer.untried:
        return unsure(HopName.REQUEST, tried.entrance, f"no request could be sent: {answer.failure}")
    if answer.status is None:
        return broken(
            HopName.REQUEST,
            tried.entrance,
            f"no answer: {answer.failure}",
            f"a completion of {tried.model}",
            "Look whether this machine may reach the address, and whether the first hops above are as they should be.",
        )
    if answer.good:
        again = "" if tried.times == 1 else ", asked again: the first time a server closed the connection"
        return passed(HopName.REQUEST, tried.entrance, f"{tried.model} answered in {tried.took_s:.1f} s{again}")
    meaning = explain(answer.status, answer.body, answer.headers, case.epp_version)
    version = f" (router {case.epp_version})" if case.epp_version else ""
    return broken(
        HopName.REQUEST,
        tried.entrance,
        f"{answer.status}, from the {meaning.hop.value}: {meaning.words}{version}",
        f"a completion of {tried.model}",
        meaning.remedy,
        evidence=(Evidence(object="answer", observed=redact_text(answer.body.strip())[:_SHOWN]),)
        if answer.body.strip()
        else (),
    )
