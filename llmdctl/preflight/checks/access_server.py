"""Does the API server answer, whom does it take us for, and is it well?"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.model.inventory import Seen
from llmdctl.preflight.case import Case, Item
from llmdctl.preflight.check import Check
from llmdctl.preflight.moments import moment
from llmdctl.preflight.verdict import UnknowableError, Verdict, failed, passed, unknown

_ANONYMOUS: Final = "system:anonymous"
_SKEW_S: Final = 60  # beyond it tokens and leases are judged wrongly; the catalogue's own limit
_STALE_S: Final = 300  # a kubelet renews its lease each 10 s
_SLOW_S: Final = 2.0  # for a page of 500 objects
_PAGE: Final = 500  # objects, as the capture asks for them
_TIMED: Final = ("nodes", "pods", "crds")  # the longest lists of every cluster
_SHOWN: Final = 4


def _answers(case: Case) -> Verdict:
    found = case.reading("version")
    where = case.inventory.server or "the API server"
    if found.seen in (Seen.TIMED_OUT, Seen.FAILED):
        return failed(
            f"{where} gives no version: {found.reason}.",
            (Evidence(object="section//version", observed=f"{found.seen.value}: {found.reason}"),),
            "Check the address in the kubeconfig, the VPN and the proxy.",
            "$ kubectl version --request-timeout=10s",
        )
    for item in case.section("version"):
        if item.get("gitVersion"):
            return passed(f"{where} answers ({item['gitVersion']}).")
    return unknown(f"{where} answers, but does not state its version.")


def _who(case: Case) -> Verdict:
    for item in case.section("identity"):
        name = str(item.get("username", ""))
        if name == _ANONYMOUS:
            return failed(
                "The server knows nobody behind this request: no credentials were sent, or it ignored them.",
                (Evidence(object=f"User//{name}", observed="anonymous", expected="a user or service account"),),
                "Log in again, or choose another --context.",
                "$ kubectl auth whoami",
            )
        if name:
            return passed(f"The server takes you for {name}.")
    raise UnknowableError("identity: the server does not say it (SelfSubjectReview is served from Kubernetes 1.28 on)")


def _clocks(case: Case) -> Verdict:
    server, here = _both_clocks(case)
    skew_s = abs((server - here).total_seconds())
    if skew_s > _SKEW_S:
        return failed(
            f"The clock of this machine is {skew_s:.0f} s off the server's (limit {_SKEW_S} s): {here} here, {server}"
            " there.",
            (Evidence(object="Client//clock", observed=str(here), expected=str(server)),),
            "Set the clock of this machine by NTP.",
        )
    stale = [(lease, age_s) for lease in case.section("leases") if (age_s := _age_s(lease, server)) > _STALE_S]
    if stale:
        return failed(
            f"{len(stale)} nodes have not renewed their lease for more than {_STALE_S // 60} minutes: they are away, or"
            " their clocks are off.",
            [Evidence(object=f"Node//{_name(lease)}", observed=f"renewed {age_s:.0f} s ago") for lease, age_s in stale],
            "See whether these nodes are up, and set their clocks by NTP.",
            "$ kubectl get leases -n kube-node-lease",
        )
    return passed(f"Clocks agree within {skew_s:.0f} s, and no node's lease is stale.")


def _both_clocks(case: Case) -> tuple[datetime, datetime]:
    for item in case.section("version"):
        server, here = moment(item.get("date")), moment(item.get("localDate"))
        if server is not None and here is not None:
            return server, here
    raise UnknowableError("version: the answer has no date")


def _age_s(lease: Item, now: datetime) -> float:
    """Seconds since a lease was renewed; infinite where it never was."""
    renewed = moment((lease.get("spec") or {}).get("renewTime"))
    return math.inf if renewed is None else (now - renewed).total_seconds()


def _name(obj: Item) -> str:
    return str((obj.get("metadata") or {}).get("name", ""))


def _apis(case: Case) -> Verdict:
    away: list[Evidence] = []
    unsaid: list[str] = []
    items = case.section("api-services")
    for item in items:
        rows = (item.get("status") or {}).get("conditions") or ()
        available = next((row for row in rows if row.get("type") == "Available"), None)
        if available is None:
            unsaid.append(_name(item))
        elif available.get("status") != "True":
            service = (item.get("spec") or {}).get("service") or {}
            by = f"{service.get('namespace')}/{service.get('name')}" if service else "the API server itself"
            words = str(available.get("message") or available.get("reason") or available.get("status"))
            away.append(Evidence(object=f"APIService//{_name(item)}", observed=f"{words} (served by {by})"))
    if away:
        return failed(
            f"{len(away)} of {len(items)} APIs do not answer: {_few(each.object for each in away)}. Discovery is slow"
            " or incomplete, and no namespace can be deleted meanwhile.",
            away,
            "Bring the service behind it up again, or delete the APIService when its owner is gone.",
            "$ kubectl get apiservices",
        )
    if unsaid:
        return unknown(f"{len(unsaid)} of {len(items)} APIs do not say whether they answer: {_few(unsaid)}.")
    if not items:
        return unknown("No APIService was listed, though every server has some.")
    return passed(f"All {len(items)} APIs answer.")


def _few(names: Iterable[str]) -> str:
    several = list(names)
    return ", ".join(several[:_SHOWN]) + (f", and {len(several) - _SHOWN} more" if len(several) > _SHOWN else "")


def _latency(case: Case) -> Verdict:
    read = {name: case.reading(name) for name in _TIMED}
    late = [name for name, found in read.items() if found.seen is Seen.TIMED_OUT]
    if late:
        return failed(
            f"{_few(late)} could not be read in time.",
            [Evidence(object=f"section//{name}", observed=read[name].reason or "timed out") for name in late],
            "Raise --timeout, and see what loads the API server.",
        )
    pages_s = {name: read[name].seconds / max(1, math.ceil(len(case.section(name)) / _PAGE)) for name in _TIMED}
    if not any(pages_s.values()):
        raise UnknowableError("the inventory does not say how long reading took")
    slowest = max(pages_s, key=lambda name: pages_s[name])
    if pages_s[slowest] > _SLOW_S:
        return failed(
            f"The API server is slow: {slowest} take {pages_s[slowest]:.1f} s a page (limit {_SLOW_S:.0f} s).",
            [
                Evidence(object=f"section//{name}", observed=f"{seconds:.1f} s a page")
                for name, seconds in pages_s.items()
            ],
            "Raise --timeout and --request-timeout, and see what loads the API server.",
        )
    return passed(f"A page of {_PAGE} takes at most {pages_s[slowest]:.2f} s ({slowest}).")


CHECKS: Final = (
    Check(
        code="LD0202",
        slug="server-reachable",
        title="The API server answers",
        severity=Severity.ERROR,
        rule=_answers,  # `needs` is empty: a version that was not answered in time is a failure, not a missing fact
        why="Everything else is asked of it. Where it cannot be reached at all, preflight ends with exit code 5.",
        remedy="Check the address, the VPN and the proxy.",
        sources=("https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster/",),
    ),
    Check(
        code="LD0203",
        slug="identity",
        title="The server knows who you are",
        severity=Severity.ERROR,
        rule=_who,
        needs=("identity",),
        why="Credentials that are not sent or not understood make one anonymous, and every right is then denied.",
        remedy="Log in again.",
        sources=(
            "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#self-subject-review",
            "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#anonymous-requests",
        ),
    ),
    Check(
        code="LD0210",
        slug="clock-skew",
        title="Clocks agree",
        severity=Severity.WARNING,
        rule=_clocks,
        needs=("version", "leases"),
        why="Tokens are refused before and after their time, and a node whose clock is off looks dead or never dies.",
        remedy="Set the clocks by NTP.",
        sources=(
            "https://linkerd.io/2/checks/#pre-k8s-clock-skew",
            "https://kubernetes.io/docs/concepts/architecture/nodes/#node-heartbeats",
        ),
    ),
    Check(
        code="LD0211",
        slug="api-services",
        title="Every aggregated API answers",
        severity=Severity.WARNING,
        rule=_apis,
        needs=("api-services",),
        why="An aggregated API whose service is away breaks discovery for Helm, keeps namespaces from being deleted,"
        " and stops autoscaling on its metrics.",
        remedy="Bring the service back, or delete the APIService.",
        sources=("https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/",),
    ),
    Check(
        code="LD0214",
        slug="server-latency",
        title="The API server answers quickly",
        severity=Severity.WARNING,
        rule=_latency,  # `needs` is empty: a list that was not read in time is a failure, not a missing fact
        why="A slow or throttling server makes waits of an install run into their limits.",
        remedy="Raise --timeout and --request-timeout, and see what loads the server.",
        sources=("https://kubernetes.io/docs/concepts/cluster-administration/flow-control/",),
    ),
)
