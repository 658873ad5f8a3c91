"""Which rights an install needs, derived from the objects that it makes. Pure: the cluster is asked elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

Item = Mapping[str, Any]
Plurals = Mapping[tuple[str, str], str]
"""(apiVersion, kind) -> plural, as the server's discovery names it."""

_RBAC: Final = "rbac.authorization.k8s.io"
_ROLES: Final = {"Role": "roles", "ClusterRole": "clusterroles"}
_BINDINGS: Final = frozenset({"RoleBinding", "ClusterRoleBinding"})


class Purpose(StrEnum):
    """What a right is for, and so how much it weighs when it is denied."""

    INSTALL = "install"  # making and changing the objects, and waiting for them: no install without
    LATER = "later"  # changing the release again, and uninstalling it
    EXPLAIN = "explain"  # logs and events of what does not become ready
    NAMESPACE = "namespace"  # making the namespace: needed where it is not there
    GRANT = "grant"  # holding what a rendered role gives, or being allowed to give it without


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Right:
    """One question for a SelfSubjectAccessReview."""

    purpose: Purpose
    namespace: str  # empty: in the whole cluster
    group: str  # empty for the core group
    resource: str  # the plural; `pods/log` names a subresource, `/metrics` is a URL of the server's and no resource
    verb: str
    name: str = ""  # of one object; empty: of any

    @property
    def of_url(self) -> bool:
        """Whether it is about a URL and not about a resource."""
        return self.resource.startswith("/")

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """Without the purpose: what the server is asked."""
        return self.verb, self.group, self.resource, self.namespace, self.name

    def __str__(self) -> str:
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        named = f" {self.name}" if self.name else ""
        return f"{self.verb} {resource}{named}" + (f" in namespace {self.namespace}" if self.namespace else "")


def rights(objects: Iterable[Item], namespace: str, *, plurals: Plurals) -> tuple[Right, ...]:
    """Every right that installing `objects` as one release into `namespace` needs, each once, sorted.

    `objects` are rendered, with their namespaces; empty without a recipe, and then no right is needed. A kind that the
    server does not serve yet gets the plural that Kubernetes would guess. Helm's storage needs secrets of the
    namespace (https://helm.sh/docs/topics/rbac/); server-side apply needs patch, and create for what is not there
    (https://kubernetes.io/docs/reference/using-api/server-side-apply/); the wait lists pods and replica sets.
    """
    listed = tuple(objects)
    if not listed:
        return ()
    found = {right for obj in listed for right in _of_object(obj, plurals)}
    found |= set(_of_release(namespace)) | set(_of_waiting(listed, namespace))
    return tuple(sorted(found | set(grants(listed))))


def grants(objects: Iterable[Item]) -> tuple[Right, ...]:
    """What the rendered roles give, and `escalate` and `bind`, with which one may give it without holding it.

    The API server refuses a role with more rights than its maker has, and a binding of such a role:
    https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
    """
    listed = tuple(objects)
    found: set[Right] = set()
    for obj in listed:
        override = override_of(obj)
        if override is not None:
            found |= {override, *(given_by(obj, listed) or ())}
    return tuple(sorted(found))


def given_by(obj: Item, objects: Iterable[Item]) -> tuple[Right, ...] | None:
    """The rights that a role, or a binding's role, gives where it is valid, sorted.

    None where they are not known: the role is not among `objects`.
    """
    role: Item | None = obj
    if "roleRef" in obj:
        kind, name = str(obj["roleRef"].get("kind")), str(obj["roleRef"].get("name"))
        place = _namespace(obj) if kind == "Role" else ""
        named = (kind, place, name)
        role = next((other for other in objects if (other.get("kind"), _namespace(other), _name(other)) == named), None)
    if role is None:
        return None
    return tuple(sorted({right for rule in role.get("rules") or () for right in _of_rule(rule, _namespace(obj))}))


def _of_rule(rule: Item, namespace: str) -> Iterator[Right]:
    for url in rule.get("nonResourceURLs") or ():
        for verb in rule.get("verbs") or ():
            yield Right(purpose=Purpose.GRANT, verb=str(verb), group="", resource=str(url), namespace="")
    for group in rule.get("apiGroups") or ():
        for resource in rule.get("resources") or ():
            for verb in rule.get("verbs") or ():
                for name in rule.get("resourceNames") or ("",):
                    yield Right(
                        purpose=Purpose.GRANT, verb=str(verb), group=str(group), resource=str(resource),
                        namespace=namespace, name=str(name),
                    )  # fmt: skip


def override_of(obj: Item) -> Right | None:
    """The right to make a role (`escalate`) or a binding (`bind`) without holding what it gives; None for others."""
    kind = str(obj.get("kind"))
    if _group(obj) != _RBAC:
        return None
    if kind in _ROLES:
        resource, verb, name = _ROLES[kind], "escalate", _name(obj)
    elif kind in _BINDINGS:
        referred = obj.get("roleRef") or {}
        resource, verb, name = _ROLES.get(str(referred.get("kind")), "clusterroles"), "bind", str(referred.get("name"))
    else:
        return None
    place = _namespace(obj) if resource == "roles" else ""
    return Right(purpose=Purpose.GRANT, verb=verb, group=_RBAC, resource=resource, namespace=place, name=name)


def guessed_plural(kind: str) -> str:
    """The plural that Kubernetes' conventions give a kind."""
    word = kind.lower()
    if word.endswith(("s", "x", "ch", "sh")):
        return f"{word}es"
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}s"


def _of_object(obj: Item, plurals: Plurals) -> Iterator[Right]:
    version, kind = str(obj.get("apiVersion", "")), str(obj.get("kind", ""))
    resource, place = plurals.get((version, kind)) or guessed_plural(kind), _namespace(obj)
    # A right outside the namespace is asked by name: a least role names the object too. Creation knows no name.
    name = "" if place else _name(obj)
    for verb in ("get", "create", "patch", "delete"):
        yield Right(
            purpose=Purpose.LATER if verb == "delete" else Purpose.INSTALL, verb=verb, group=_group(obj),
            resource=resource, namespace=place, name="" if verb == "create" else name,
        )  # fmt: skip


def _of_release(namespace: str) -> Iterator[Right]:
    yield Right(purpose=Purpose.NAMESPACE, verb="create", group="", resource="namespaces", namespace="")
    for verb in ("list", "create", "update"):
        yield Right(purpose=Purpose.INSTALL, verb=verb, group="", resource="secrets", namespace=namespace)
    for verb in ("get", "delete"):
        yield Right(purpose=Purpose.LATER, verb=verb, group="", resource="secrets", namespace=namespace)


def _of_waiting(objects: Iterable[Item], namespace: str) -> Iterator[Right]:
    watched = [("list", "", "pods"), ("list", "apps", "replicasets")]
    if any(obj.get("kind") == "LeaderWorkerSet" for obj in objects):
        watched.append(("get", "apps", "statefulsets"))  # the leaders', which names the newest revision
    for verb, group, resource in watched:
        yield Right(purpose=Purpose.INSTALL, verb=verb, group=group, resource=resource, namespace=namespace)
    for verb, resource in (("get", "pods/log"), ("list", "events")):
        yield Right(purpose=Purpose.EXPLAIN, verb=verb, group="", resource=resource, namespace=namespace)


def _group(obj: Item) -> str:
    return str(obj.get("apiVersion", "")).rpartition("/")[0]


def _namespace(obj: Item) -> str:
    return str((obj.get("metadata") or {}).get("namespace") or "")


def _name(obj: Item) -> str:
    return str((obj.get("metadata") or {}).get("name", ""))
