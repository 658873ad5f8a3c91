"""May this identity do what installing the recipe takes, and read what checks need?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.model.inventory import Seen
from llmdctl.model.rights import Purpose, Right, given_by, override_of, rights
from llmdctl.model.sections import ENOUGH_IN_ONE_NAMESPACE, OBJECTS
from llmdctl.preflight import granting
from llmdctl.preflight.case import Case, Item
from llmdctl.preflight.check import Check
from llmdctl.preflight.verdict import UnknowableError, Verdict, failed, passed, skipped, unknown, warned

_WEIGHED: Final = frozenset({Purpose.INSTALL, Purpose.LATER, Purpose.EXPLAIN})
_RBAC_DOCS: Final = "https://kubernetes.io/docs/reference/access-authn-authz/rbac/"
_NO_RECIPE: Final = "no recipe was named, so no right is needed"
_SHOWN: Final = 4  # kinds that a message names; the evidence has every right
_QUESTION: Final = ("verb", "group", "resource", "namespace", "name")  # as Right.key
Answers = Mapping[tuple[str, ...], Item]


def answers(case: Case) -> Answers:
    """What the server said to each question. Raises UnknowableError where nobody asked, or an answer is cut short."""
    try:
        return {tuple(str(item[key]) for key in _QUESTION): _whole(item) for item in case.section("access")}
    except KeyError as cause:
        raise UnknowableError(f"access: an answer lacks {cause}") from cause


def _whole(item: Item) -> Item:
    item["allowed"]  # raises where the answer itself is missing
    return item


def needed(case: Case) -> tuple[Right, ...]:
    """Every right that the rendered objects need, with the plurals that this server uses."""
    try:
        plurals = {(str(item["apiVersion"]), str(item["kind"])): str(item["plural"]) for item in case.section("apis")}
    except KeyError as cause:
        raise UnknowableError(f"apis: a kind lacks {cause}") from cause
    return rights(case.objects, case.namespace, plurals=plurals)


def user(case: Case) -> str:
    """The name under which the server knows us; empty where it does not say."""
    return next((str(item.get("username", "")) for item in case.reading("identity").items), "")


def _create(case: Case) -> Verdict:
    if not case.objects:
        return skipped(_NO_RECIPE)
    said = answers(case)
    wanted = [right for right in needed(case) if right.purpose in _WEIGHED]
    denied = [right for right in wanted if right.key in said and not said[right.key]["allowed"]]
    unasked = [right for right in wanted if right.key not in said]
    evidence = [_seen(right, said[right.key]) for right in denied]
    number = f"{len(denied)} of {len(wanted)} rights are denied"
    if any(right.purpose is Purpose.INSTALL for right in denied):
        return failed(f"{number}{_to(case)}: {_listed(denied)}.", evidence, *_remedy(case, wanted, denied))
    if unasked:
        return unknown(f"{len(unasked)} of {len(wanted)} rights were not answered for: {_listed(unasked)}.", evidence)
    if denied:
        return warned(
            f"The install may go on, but {number}{_to(case)}: {_listed(denied)}; without them a release cannot be"
            " changed or removed, or its pods not explained.",
            evidence,
            *_remedy(case, wanted, denied),
        )
    return passed(f"All {len(wanted)} rights that an install needs are there.")


def _seen(right: Right, answer: Item) -> Evidence:
    resource = f"{right.resource}.{right.group}" if right.group else right.resource
    why = "; ".join(str(answer[key]) for key in ("reason", "evaluationError") if answer.get(key))
    return Evidence(
        object=f"{resource}/{right.namespace}/{right.name}",
        observed=f"{right.verb}: denied" + (f" ({why})" if why else ""),
        expected=f"allowed, to {_FOR[right.purpose]}",
    )


_FOR: Final = {
    Purpose.INSTALL: "install",
    Purpose.LATER: "change or remove the release",
    Purpose.EXPLAIN: "say why a pod does not start",
    Purpose.NAMESPACE: "make the namespace",
    Purpose.GRANT: "give it to the release's own service accounts",
}


def _listed(several: Iterable[Right]) -> str:
    """Verbs by resource, the first few: `get/create deployments.apps in namespace a`."""
    verbs: dict[tuple[str, str, str], dict[str, None]] = {}
    for right in several:
        verbs.setdefault((right.namespace, right.group, right.resource), {})[right.verb] = None
    words = [
        f"{'/'.join(stated)} {f'{resource}.{group}' if group else resource}"
        + (f" in namespace {namespace}" if namespace else "")
        for (namespace, group, resource), stated in verbs.items()
    ]
    more = f", and more of {len(words) - _SHOWN} other kinds" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more


def _to(case: Case) -> str:
    return f" to {user(case)}" if user(case) else ""


def _remedy(case: Case, wanted: Iterable[Right], denied: Sequence[Right]) -> list[str]:
    """The least roles of those places where something is denied: applied again, they stay complete."""
    places = {right.namespace for right in denied}
    given = [right for right in wanted if right.namespace in places]
    name = f"llmdctl-install-{case.namespace}-{case.release}"
    said = ["An administrator gives the rights with exactly these roles:"]
    said.append(granting.command(granting.roles(given, name=name, user=user(case))))
    if not user(case):
        said.append("Bind them to the user or service account that installs; the server does not say who that is.")
    if "" in places:
        said.append("With --namespace-only the recipe needs no right outside its namespace.")
    return said


def _escalate(case: Case) -> Verdict:
    bound = [obj for obj in case.objects if override_of(obj) is not None]
    if not bound:
        return skipped("no Role, ClusterRole or binding is rendered")
    said = answers(case)
    lacking: set[Right] = set()
    given: set[Right] = set()
    evidence: list[Evidence] = []
    untold: list[str] = []
    for obj in bound:
        override = override_of(obj)
        assert override is not None, "chosen by it above"
        if said.get(override.key, {}).get("allowed"):
            continue
        held = given_by(obj, case.objects)
        if held is None or override.key not in said or any(right.key not in said for right in held):
            untold.append(identity(obj))
            continue
        short = [right for right in held if not said[right.key]["allowed"]]
        lacking |= set(short)
        given |= set(held)
        if short:
            seen = f"would give {_listed(short)}, which you do not hold; {override} is denied too"
            evidence.append(Evidence(object=identity(obj), observed=seen))
    if lacking:
        return failed(
            f"{len(evidence)} rendered roles and bindings give {len(lacking)} rights that you do not hold yourself, so"
            f" the server refuses them: {_listed(sorted(lacking))}.",
            evidence,
            *_escalation_remedy(case, given, {right.namespace for right in lacking}),
        )
    if untold:
        return unknown(f"Whether these may be made is not known: {', '.join(untold)}.", evidence)
    return passed(f"You hold what the {len(bound)} rendered roles and bindings give.")


def identity(obj: Item) -> str:
    """As evidence names an object."""
    metadata = obj.get("metadata") or {}
    return f"{obj.get('kind')}/{metadata.get('namespace', '')}/{metadata.get('name', '')}"


def _escalation_remedy(case: Case, given: Iterable[Right], places: Collection[str]) -> list[str]:
    name = f"llmdctl-grant-{case.namespace}-{case.release}"
    wanted = sorted(right for right in given if right.namespace in places)
    said = [
        "An administrator gives you what the release gives its service accounts, and no more:",
        granting.command(granting.roles(wanted, name=name, user=user(case))),
    ]
    if "" in places:
        said.append("Or an administrator applies the output of `llmdctl render ... --scope cluster`.")
    return said


def _reading(case: Case) -> Verdict:
    refused = {name: found for name in OBJECTS if (found := case.reading(name)).seen is Seen.FORBIDDEN}
    evidence = [
        Evidence(object=f"section//{name}", observed=f"forbidden: {found.reason}", expected="may be listed")
        for name, found in refused.items()
    ]
    if refused:
        return warned(
            f"{len(refused)} of {len(OBJECTS)} sections may not be read: {', '.join(refused)}; checks that need them"
            " are unknown.",
            evidence,
            *_reading_remedy(case, refused),
        )
    lacking = [name for name in OBJECTS if not case.reading(name).known]
    if lacking:
        raise UnknowableError(f"{len(lacking)} of {len(OBJECTS)} sections were not read: {', '.join(lacking)}")
    return passed(f"All {len(OBJECTS)} sections of the inventory could be read.")


def _reading_remedy(case: Case, refused: Iterable[str]) -> list[str]:
    """Names of Secrets are asked for in one namespace only: RBAC cannot give the names without the values."""
    lists = []
    for name in refused:
        place = case.namespace if name in ENOUGH_IN_ONE_NAMESPACE or name == "releases" else ""
        lists += [
            Right(purpose=Purpose.EXPLAIN, namespace=place, group=kind.group, resource=kind.plural, verb="list")
            for kind in OBJECTS[name]
            if not (name in ("releases", "secrets") and not place)
        ]
    if not lists:
        return ["Run it as somebody who may list them."]
    name = f"llmdctl-preflight-{case.namespace}" if case.namespace else "llmdctl-preflight"
    roles = granting.roles(sorted(set(lists)), name=name, user=user(case))
    return [
        "An administrator lets you list what checks read, or captures it: llmdctl inventory --to inventory.yaml",
        granting.command(roles),
    ]


CHECKS: Final = (
    Check(
        code="LD0205",
        slug="install-rights",
        title="Every right that the rendered objects need",
        severity=Severity.ERROR,
        rule=_create,
        needs=("access", "apis"),
        why="An install that stops half way for want of a right leaves a release to clean up. Rights are asked for"
        " each kind in the rendered manifest, and for the Secrets in which Helm keeps a release.",
        remedy="Apply the roles from the message, or install with --namespace-only.",
        sources=(_RBAC_DOCS, "https://helm.sh/docs/topics/rbac/"),
    ),
    Check(
        code="LD0206",
        slug="no-escalation",
        title="Nobody is given more than the installer holds",
        severity=Severity.ERROR,
        rule=_escalate,
        needs=("access",),
        why="The API server refuses a Role or binding that gives rights which its maker does not hold, unless they may"
        " escalate or bind. An administrator's rights from outside RBAC, such as a cloud's IAM, do not count there.",
        remedy="Have an administrator apply the cluster part, or give you the same rights.",
        sources=(f"{_RBAC_DOCS}#privilege-escalation-prevention-and-bootstrapping",),
    ),
    Check(
        code="LD0207",
        slug="read-rights",
        title="What checks need may be read",
        severity=Severity.WARNING,
        rule=_reading,
        why="A check whose facts may not be read is unknown, and an unknown cluster can still refuse the recipe.",
        remedy="Apply the read-only role from the message, or replay an inventory that an administrator captured.",
        sources=("https://troubleshoot.sh/docs/collect/#permissions", _RBAC_DOCS),
    ),
)
