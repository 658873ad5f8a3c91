"""Sections that are asked instead of listed: version, kinds, identity and rights."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

from llmdctl.errors import ClusterError, UnauthenticatedError
from llmdctl.kube.abreast import abreast
from llmdctl.kube.door import Cluster
from llmdctl.kube.listing import outcome
from llmdctl.kube.served import Served
from llmdctl.model.inventory import Section, Seen
from llmdctl.model.rights import rights

Item = Mapping[str, Any]
Key = tuple[str, str, str, str, str]
"""Verb, group, resource, namespace and name: see `Right.key`."""
Answered = dict[str, Any] | ClusterError | None
"""None: the time was up."""

THREADS: Final = 6  # requests at once; client-go allows itself a burst of 10 and more
_IDENTITY: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_ACCESS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_EVERYTHING: Final[Key] = ("*", "*", "*", "", "")
_VERSION_FIELDS: Final = ("gitVersion", "platform", "major", "minor")
NO_RECIPE: Final = Section(seen=Seen.ABSENT, reason="no recipe was named")


def asked(ask: Callable[[], Iterable[Item]]) -> Section:
    """What asking gives, as a section. Raises UnauthenticatedError, nothing else that a server can cause."""
    started_s = time.monotonic()
    try:
        items = tuple(ask())
    except UnauthenticatedError:
        raise
    except ClusterError as error:
        return Section(seen=outcome(error), reason=error.message, seconds=_since(started_s))
    return Section(seen=Seen.OK, items=items, seconds=_since(started_s))


def version(cluster: Cluster) -> Iterable[Item]:
    """What the server says of itself, with its clock and ours at the moment of the answer (RFC 3339, UTC)."""
    what = "ask for the version"
    answer = cluster.exchange("GET", "/version")
    arrived = datetime.datetime.now(datetime.UTC)
    document = answer.checked(what=what).document(what=what)
    if "gitVersion" not in document:
        raise ClusterError(f"{what}: there is none in the answer; is this address a Kubernetes API server?")
    known: dict[str, str] = {name: str(document[name]) for name in _VERSION_FIELDS if name in document}
    return [{**known, "date": _date(answer.headers), "localDate": moment(arrived)}]


def apis(served: Served) -> Iterable[Item]:
    """Every served kind."""
    return [
        {
            "apiVersion": found.api_version,
            "kind": found.kind,
            "plural": found.plural,
            "namespaced": found.namespaced,
        }
        for found in served.resources
    ]


def identity(cluster: Cluster) -> Section:
    """Who the server takes us for (Kubernetes 1.28 and later)."""
    started_s = time.monotonic()
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}

    def ask() -> list[Item]:
        answer = cluster.exchange("POST", _IDENTITY, body=body)
        what = "ask for one's identity"
        user = (answer.checked(what=what).document(what=what).get("status") or {}).get("userInfo") or {}
        groups = [str(group) for group in user.get("groups") or ()]
        return [{"username": user.get("username", ""), "groups": groups, "extraKeys": sorted(user.get("extra") or {})}]

    found = asked(ask)
    if found.seen is Seen.FAILED and "could not find the requested resource" in found.reason:
        reason = "the server has no SelfSubjectReview; Kubernetes 1.28 has"
        return Section(seen=Seen.NOT_SERVED, reason=reason, seconds=_since(started_s))
    return found


def access(
    cluster: Cluster, objects: Iterable[Item], namespace: str, *, served: Served | None, until_s: float
) -> Section:
    """Whether each right that installing `objects` needs is there; a question without an answer is left out.

    Who may do everything is asked for that alone, as in `kubectl auth can-i '*' '*'`: eighty questions less. RBAC says
    yes only to who has a rule of all verbs, groups and resources in the whole cluster, which holds every single right.
    An authorizer before it that denies a single one is heard when each object is tried.
    """
    started_s = time.monotonic()
    plurals = {(found.api_version, found.kind): found.plural for found in served.resources} if served else {}
    keys = list(dict.fromkeys(right.key for right in rights(objects, namespace, plurals=plurals)))
    whole = abreast([_question(cluster, _EVERYTHING)], threads=1, until_s=until_s)[0]
    known: dict[Key, Answered] = {}
    if isinstance(whole, dict) and whole["allowed"]:
        known = {key: _named(key, whole) for key in keys if not key[2].startswith("/")}  # a URL is no resource
    left = [key for key in keys if key not in known]
    found = abreast([_question(cluster, key) for key in left], threads=THREADS, until_s=until_s)
    known |= dict(zip(left, found, strict=True))
    answers = [known[key] for key in keys]
    items = tuple(answer for answer in answers if isinstance(answer, dict))
    errors = [answer for answer in answers if isinstance(answer, ClusterError)]
    left_out = len(keys) - len(items)
    if not left_out:
        return Section(seen=Seen.OK, items=items, seconds=_since(started_s))
    why = errors[0].message if errors else "the time was up"
    if items:
        reason = f"{left_out} of {len(keys)} questions were not answered: {why}"
        return Section(seen=Seen.OK, reason=reason, items=items, seconds=_since(started_s))
    return Section(seen=outcome(errors[0]) if errors else Seen.TIMED_OUT, reason=why, seconds=_since(started_s))


def _question(cluster: Cluster, key: Key) -> Callable[[], dict[str, Any] | ClusterError]:
    verb, group, resource, namespace, name = key
    plural, _, subresource = resource.partition("/")
    attributes = {
        "verb": verb, "group": group, "resource": plural, "subresource": subresource, "namespace": namespace,
        "name": name,
    }  # fmt: skip
    spec: dict[str, Any] = {"resourceAttributes": {field: value for field, value in attributes.items() if value}}
    if resource.startswith("/"):  # a URL of the server's, as `Right.of_url`
        spec = {"nonResourceAttributes": {"path": resource, "verb": verb}}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}

    def ask() -> dict[str, Any] | ClusterError:
        what = "ask for one's rights"
        try:
            status = cluster.exchange("POST", _ACCESS, body=body).checked(what=what).document(what=what).get("status")
        except UnauthenticatedError:
            raise
        except ClusterError as error:
            return error
        said = status if isinstance(status, dict) else {}
        return _named(key, {
            "allowed": bool(said.get("allowed")) and not said.get("denied"), "reason": str(said.get("reason", "")),
            "evaluationError": str(said.get("evaluationError", "")),
        })  # fmt: skip

    return ask


def _named(key: Key, answer: Mapping[str, Any]) -> dict[str, Any]:
    """An answer as that to the question about one right."""
    verb, group, resource, namespace, name = key
    about = {"verb": verb, "group": group, "resource": resource, "namespace": namespace, "name": name}
    return {**about, **{field: value for field, value in answer.items() if field not in about}}


def moment(when: datetime.datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return when.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _date(headers: Mapping[str, str]) -> str:
    """The server's clock from its Date header; empty where a proxy has taken it out."""
    written = next((value for name, value in headers.items() if name.lower() == "date"), "")
    try:
        return moment(parsedate_to_datetime(written))
    except ValueError:
        return ""


def _since(started_s: float) -> float:
    return round(time.monotonic() - started_s, 3)
