"""Would the API server, its webhooks and its policies take the rendered objects?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.model.rights import Purpose
from llmdctl.preflight.case import Case, Item
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.access_rights import answers, identity, needed
from llmdctl.preflight.dry_run import waits_for_its_role
from llmdctl.preflight.refusal import refusal
from llmdctl.preflight.verdict import UnknowableError, Verdict, failed, passed, skipped, unknown, warned

_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
_OURS: Final = frozenset({"", "llmdctl", "Helm"})
_NO_RECIPE: Final = "no recipe was named, so no object is to be tried"
_MANAGER: Final = re.compile(r'conflict with "([^"]+)"')
Tried = tuple[Item, Item | None]
"""A rendered object and what the server said of it."""


def tried(case: Case) -> tuple[Tried, ...]:
    """Each rendered object with its answer, None where there is none. Raises UnknowableError without a dry run."""
    said: dict[tuple[object, ...], Item] = {
        (item.get("apiVersion"), item.get("kind"), item.get("namespace") or "", item.get("name")): item
        for item in case.section("dry-run")
        if item.get("outcome")  # an answer without one is none
    }
    return tuple((obj, said.get(_key(obj))) for obj in case.objects)


def _key(obj: Item) -> tuple[object, ...]:
    metadata = obj.get("metadata") or {}
    return obj.get("apiVersion"), obj.get("kind"), metadata.get("namespace") or "", metadata.get("name")


def _accepted(case: Case) -> Verdict:
    if not case.objects:
        return skipped(_NO_RECIPE)
    both = tried(case)
    refused = [
        (obj, said) for obj, said in both if said and said["outcome"] == "rejected" and not waits_for_its_role(said)
    ]
    if refused:
        return _refused(refused, len(both))
    untold = [obj for obj, said in both if said is None or said["outcome"] in ("forbidden", "not-served")]
    if untold:
        evidence = [_observed(obj, said) for obj, said in both if said and said["outcome"] in _UNTOLD]
        return unknown(
            f"{len(untold)} of {len(both)} objects could not be tried: {', '.join(map(identity, untold[:4]))}"
            + (f", and {len(untold) - 4} more" if len(untold) > 4 else "")
            + "; see LD0205 for rights, LD0401 for kinds.",
            evidence,
        )
    notes = [
        f"{number} {words}"
        for number, words in (
            (_count(both, "conflict"), "with fields of another owner, see LD0209"),
            (sum(said is not None and waits_for_its_role(said) for _, said in both), "to be judged by LD0206"),
            (
                sum(bool(said and said.get("triedIn")) for _, said in both),
                "tried in another namespace, since theirs is not there yet",
            ),
        )
        if number
    ]
    return passed(f"The server takes all {len(both)} objects" + (f" ({'; '.join(notes)})" if notes else "") + ".")


_UNTOLD: Final = frozenset({"forbidden", "not-served"})


def _count(both: Sequence[Tried], outcome: str) -> int:
    return sum(bool(said and said["outcome"] == outcome) for _, said in both)


def _observed(obj: Item, said: Item) -> Evidence:
    return Evidence(object=identity(obj), observed=str(said.get("message") or said["outcome"]), expected="accepted")


def _refused(refused: Sequence[tuple[Item, Item]], all_objects: int) -> Verdict:
    by = {identity(obj): refusal(str(said.get("message", ""))) for obj, said in refused}
    said_by = "; ".join(f"{name}: by {found.by}" for name, found in list(by.items())[:4])
    more = f", and {len(by) - 4} more" if len(by) > 4 else ""
    return failed(
        f"{len(refused)} of {all_objects} objects are refused: {said_by}{more}.",
        [_observed(obj, said) for obj, said in refused],
        *dict.fromkeys(found.remedy for found in by.values()),
    )


def _conflicts(case: Case) -> Verdict:
    if not case.objects:
        return skipped(_NO_RECIPE)
    both = tried(case)
    conflicting = [(obj, said) for obj, said in both if said and said["outcome"] == "conflict"]
    if conflicting:
        owners = sorted({owner for _, said in conflicting for owner in _owners(said)})
        return warned(
            f"{len(conflicting)} objects have fields that another owner set ({', '.join(owners) or 'unnamed'}); an"
            " install stops there.",
            [Evidence(object=identity(obj), observed=_fields(said)) for obj, said in conflicting],
            "Leave these fields to their owner by taking them out of your values, or take them over with"
            " --force-conflicts.",
        )
    # A refused object, one that may not be tried and one whose kind is missing tell nothing of its fields' owners.
    untold = [identity(obj) for obj, said in both if said is None or _silent(said)]
    if untold:
        raise UnknowableError(f"{len(untold)} of {len(both)} objects could not be tried: {', '.join(untold[:4])}")
    return passed(f"No field of the {len(both)} objects belongs to another owner.")


def _silent(said: Item) -> bool:
    return said["outcome"] in ("rejected", *_UNTOLD) and not waits_for_its_role(said)


def _owners(said: Item) -> list[str]:
    words = [str(cause.get("message", "")) for cause in said.get("causes") or ()] or [str(said.get("message", ""))]
    return [owner for text in words for owner in _MANAGER.findall(text)]


def _fields(said: Item) -> str:
    causes = [
        f"{cause['field']} ({cause.get('message', '')})" for cause in said.get("causes") or () if "field" in cause
    ]
    return "; ".join(causes) or str(said.get("message", "conflict"))


def _namespace(case: Case) -> Verdict:
    if not case.objects:
        return skipped(_NO_RECIPE)
    found = _found(case)
    name = f"Namespace//{case.namespace}"
    if found is None:
        return _to_make(case)
    metadata = found.get("metadata") or {}
    if metadata.get("deletionTimestamp") or (found.get("status") or {}).get("phase") == "Terminating":
        seen = Evidence(object=name, observed=f"Terminating since {metadata.get('deletionTimestamp', 'some time')}")
        return failed(
            f"Namespace {case.namespace} is being deleted, and takes no new object.",
            (seen,),
            "Wait until it is gone, or name another with --namespace.",
            f"$ kubectl get namespace {case.namespace} -o jsonpath={{.status.conditions}}",
        )
    owner = str((metadata.get("labels") or {}).get(_MANAGED_BY, ""))
    if owner not in _OURS:
        return warned(
            f"Namespace {case.namespace} is managed by {owner}, which may undo or remove what is put into it.",
            (Evidence(object=name, observed=f"{_MANAGED_BY}={owner}"),),
            f"Ask the owner of {owner}, or name another namespace with --namespace.",
        )
    return passed(f"Namespace {case.namespace} is there and takes objects.")


def _found(case: Case) -> Item | None:
    """The namespace, None where it is not there. Where namespaces may not be listed, the one was asked for by name."""
    section = case.reading("namespaces")
    named = [item for item in section.items if (item.get("metadata") or {}).get("name") == case.namespace]
    if not named:
        case.section("namespaces")  # not known: raises
    return next((item for item in named if not item.get("absent")), None)


def _to_make(case: Case) -> Verdict:
    right = next(right for right in needed(case) if right.purpose is Purpose.NAMESPACE)
    answer = answers(case).get(right.key)
    if answer is None:
        return unknown(f"Namespace {case.namespace} is not there; whether you may make it was not answered.")
    if not answer["allowed"]:
        return failed(
            f"Namespace {case.namespace} is not there, and you may not make it.",
            (Evidence(object=f"Namespace//{case.namespace}", observed="absent", expected="there"),),
            "An administrator makes it, or name one that is there with --namespace.",
            f"$ kubectl create namespace {case.namespace}",
        )
    return passed(f"Namespace {case.namespace} is not there and will be made.")


CHECKS: Final = (
    Check(
        code="LD0208",
        slug="server-dry-run",
        title="The API server takes every rendered object",
        severity=Severity.ERROR,
        rule=_accepted,
        needs=("dry-run",),
        why="Only the server knows its webhooks, admission policies, pod security levels and quotas: it is asked with a"
        " dry run, which changes nothing.",
        remedy="Do what the words of the webhook or policy ask for, or have its owner make an exception.",
        sources=("https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run",),
    ),
    Check(
        code="LD0209",
        slug="field-conflicts",
        title="No field belongs to another owner",
        severity=Severity.WARNING,
        rule=_conflicts,
        needs=("dry-run",),
        why="Server-side apply refuses to change a field that another manager has set, such as an autoscaler or a"
        " person with kubectl.",
        remedy="Leave the field to its owner, or take it over with --force-conflicts.",
        sources=("https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts",),
    ),
    Check(
        code="LD0212",
        slug="namespace-state",
        title="The namespace takes objects",
        severity=Severity.ERROR,
        rule=_namespace,  # `needs` is empty: one who may not list namespaces can still have been shown his own
        why="A namespace that is being deleted takes nothing; one that belongs to a GitOps tool may lose what is put"
        " into it; one that is not there must be made first.",
        remedy="Name another namespace, or have an administrator make it.",
        sources=(
            "https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/",
            "https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/",
        ),
    ),
)
