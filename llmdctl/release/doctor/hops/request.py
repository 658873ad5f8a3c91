"""One real request through the real entrance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from llmdctl.model.check import Evidence
from llmdctl.model.hop import Hop, HopName
from llmdctl.release.doctor.case import Case, epp_in
from llmdctl.release.doctor.hops.engine import may_wake
from llmdctl.release.doctor.statuses import explain
from llmdctl.release.doctor.verdicts import absent, broken, kubectl, passed, unsure
from llmdctl.release.redaction import redact_text

_RELEASE = "meta.helm.sh/release-name"
_SHOWN = 300  # characters of an answer


def judge(case: Case) -> Hop:
    """Broken: no answer, or one that is no success, explained by the router's version."""
    tried = case.scene.tried.get(case.key)
    if tried is None and may_wake(case):
        return replace(
            absent(HopName.REQUEST, "none was sent: it would wake what sleeps"), remedy=tuple(_wake(case))
        )  # fmt: skip
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
            *_look(case, HopName.ENGINE),
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
        *_look(case, meaning.hop),
        evidence=(Evidence(object="answer", observed=redact_text(answer.body.strip())[:_SHOWN]),)
        if answer.body.strip()
        else (),
    )


def _wake(case: Case) -> Iterator[str]:
    """The command that wakes a Helm release on purpose."""
    release = case.pool.text("metadata", "annotations", _RELEASE) if case.pool else ""
    if release:
        yield f"$ llmdctl verify {release} -n {case.namespace} --wake"


def _look(case: Case, hop: HopName) -> Iterator[str]:
    """Into what the hop that refused the request says itself."""
    if hop is HopName.EPP:
        yield from (
            kubectl(f"logs {pod.name} -c {found[0].name} --tail=50", pod.namespace)
            for pod in case.epp_pods[:1]
            if (found := epp_in(pod)) is not None
        )
    elif hop in (HopName.ADDRESS, HopName.LISTENER):
        yield from (kubectl(f"describe gateway {found.name}", found.namespace) for found in case.gateways[:1])
    elif hop is HopName.ROUTE and case.backends:
        route = case.backends[0].route
        yield kubectl(f"get httproute {route.name} -o yaml", route.namespace)
    elif hop is HopName.ROUTE and case.proxy is not None:
        maps = case.mounted_texts(case.proxy.container)
        yield from (kubectl(f"get configmap {name} -o yaml", case.namespace) for name in maps)
    elif hop in (HopName.SIDECAR, HopName.ENGINE):
        yield kubectl(f"logs -l {_pods(case)} --all-containers --prefix --tail=20", case.namespace)
    if hop is not HopName.REQUEST:
        yield kubectl(f"get pods -l {_pods(case)} -o wide", case.namespace)


def _pods(case: Case) -> str:
    return ",".join(f"{key}={value}" for key, value in case.selector.items())
