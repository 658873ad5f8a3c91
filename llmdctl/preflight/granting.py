"""The least roles that give stated rights, as a manifest that an administrator can apply. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import yaml

from llmdctl.model.rights import Right

_GROUP: Final = "rbac.authorization.k8s.io"
_SERVICE_ACCOUNT: Final = "system:serviceaccount:"
_URLS: Final = "/"  # stands for the group of rights about URLs, which have none
_VERBS: Final = ("get", "list", "watch", "create", "update", "patch", "delete")
Object = dict[str, Any]


def roles(rights: Iterable[Right], *, name: str, user: str) -> tuple[Object, ...]:
    """A Role for each namespace and a ClusterRole for what lies outside, each bound to `user`; no right more.

    `user` is the name under which the server knows somebody; empty: the bindings are left out.
    """
    places: dict[str, list[Right]] = {}
    for right in rights:
        places.setdefault(right.namespace, []).append(right)
    made: list[Object] = []
    for place in sorted(places):
        made.append(_role(name, place, places[place]))
        if user:
            made.append(_binding(name, place, user))
    return tuple(made)


def command(objects: Sequence[Object]) -> str:
    """What puts the objects into a cluster, for a remedy: one line of shell and the manifest in it."""
    text = "---\n".join(yaml.safe_dump(obj, sort_keys=False, default_flow_style=None, width=110) for obj in objects)
    return f"$ kubectl apply -f - <<'YAML'\n{text}YAML"


def rules(rights: Iterable[Right]) -> list[Object]:
    """The fewest rules with exactly these rights: resources with the same verbs share one, in a stable order."""
    verbs: dict[tuple[str, str, str], set[str]] = {}  # group, resource, name -> verbs
    for right in rights:
        group = _URLS if right.of_url else right.group
        verbs.setdefault((group, right.resource, right.name), set()).add(right.verb)
    names: dict[tuple[str, tuple[str, ...], str], list[str]] = {}  # group, verbs, name -> resources
    for (group, resource, name), stated in sorted(verbs.items()):
        names.setdefault((group, _ordered(stated), name), []).append(resource)
    alike: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}  # group, verbs, resources -> names
    for (group, stated_verbs, name), resources in names.items():
        alike.setdefault((group, stated_verbs, tuple(resources)), []).append(name)
    return [rule for key, stated_names in alike.items() for rule in _rules(*key, stated_names)]


def _rules(group: str, verbs: tuple[str, ...], resources: tuple[str, ...], names: list[str]) -> Iterable[Object]:
    if group == _URLS:
        yield {"nonResourceURLs": list(resources), "verbs": list(verbs)}
        return
    rule: Object = {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
    if "" in names:
        yield rule
    named = [name for name in names if name]
    if named:
        yield {**rule, "resourceNames": named}


def _ordered(verbs: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(verbs, key=lambda verb: (_VERBS.index(verb) if verb in _VERBS else len(_VERBS), verb)))


def _role(name: str, namespace: str, rights: Iterable[Right]) -> Object:
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "Role" if namespace else "ClusterRole",
        "metadata": _metadata(name, namespace),
        "rules": rules(rights),
    }


def _binding(name: str, namespace: str, user: str) -> Object:
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": _metadata(name, namespace),
        "roleRef": {"apiGroup": _GROUP, "kind": "Role" if namespace else "ClusterRole", "name": name},
        "subjects": [_subject(user)],
    }


def _metadata(name: str, namespace: str) -> Object:
    return {"name": name, "namespace": namespace} if namespace else {"name": name}


def _subject(user: str) -> Mapping[str, str]:
    """A service account by its own name, anybody else as a user."""
    place, colon, name = user.removeprefix(_SERVICE_ACCOUNT).partition(":")
    if user.startswith(_SERVICE_ACCOUNT) and colon:
        return {"kind": "ServiceAccount", "name": name, "namespace": place}
    return {"apiGroup": _GROUP, "kind": "User", "name": user}
