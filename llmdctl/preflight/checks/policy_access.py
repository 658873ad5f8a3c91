"""What the pods may reach, what the endpoint picker may read, and who installs all this."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.interconnect import NO_RECIPE
from llmdctl.preflight.checks.interconnect_ports import rows
from llmdctl.preflight.connections import EPP, outside, policies
from llmdctl.preflight.dry_run import waits_for_its_role
from llmdctl.preflight.network_policy import Blocked, Ruling, judged
from llmdctl.preflight.phrases import listed
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, unknown, warned
from llmdctl.preflight.workload import PodTemplate

Item = Mapping[str, Any]
_READING: Final = frozenset({"get", "list", "watch"})
_ADMINS: Final = ("system:masters", "kubeadm:cluster-admins", "system:cluster-admins")


def _egress(case: Case) -> Verdict:
    if not case.workloads:
        return skipped(NO_RECIPE)
    there = policies(case)
    stopped: list[Blocked] = []
    for group in outside(case):
        found = [judged(there, each) for each in group]
        refused = [each for each in found if each is not None]
        if len(refused) == len(group):
            stopped.append(min(refused, key=lambda each: each.ruling is Ruling.BLOCKED))
    others = case.section("other-network-policies")
    closed = [each for each in stopped if each.ruling is Ruling.BLOCKED]
    if closed:
        return failed(
            f"NetworkPolicies of namespace {case.namespace} stop: "
            f"{listed(dict.fromkeys(str(each.connection) for each in closed), between='; ')}.",
            rows(closed),
            "Add a NetworkPolicy that lets the pods of the release out to these, or serve the model from a volume.",
        )
    if stopped:
        return warned(
            "Whether NetworkPolicies let pods out depends on addresses that their rules name: "
            f"{listed(dict.fromkeys(str(each.connection) for each in stopped), between='; ')}.",
            rows(stopped),
            "See whether these addresses are among them.",
        )
    concerning = [item for item in others if item["metadata"].get("namespace") in (None, "", case.namespace)]
    if concerning:
        kinds = sorted({str(item.get("kind")) for item in concerning})
        return unknown(
            f"NetworkPolicies are in order; {len(concerning)} objects of {listed(kinds)} may stop pods too, and are not"
            " evaluated"
        )
    return passed("No NetworkPolicy keeps the pods from DNS, the model hub or the API server.")


def _picker_rights(case: Case) -> Verdict:
    if not case.workloads:
        return skipped(NO_RECIPE)
    pickers = [template for template in case.workloads if template.role == EPP]
    if not pickers:
        return skipped("the recipe has no endpoint picker")
    tokenless = [template for template in pickers if not _has_token(template)]
    lacking = {(each.identity, right) for each in pickers for right in _lacking(case, each)}
    if tokenless or lacking:
        said = [f"{name} may not read {right}" for name, right in sorted(lacking)]
        said += [f"{template.identity} has no token" for template in tokenless]
        return failed(
            f"The endpoint picker cannot watch its pool: {listed(said)}.",
            [Evidence(object=template.identity, observed=listed(said)) for template in pickers],
            "Bind a role with get, list and watch of these to its service account, and give it a token.",
        )
    refused = [
        row
        for row in case.section("dry-run")
        if row.get("kind") in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "ServiceAccount")
        and row.get("outcome") in ("rejected", "forbidden")
        and not waits_for_its_role(row)
    ]
    if refused:
        return failed(
            f"The API server refuses {len(refused)} objects that give the endpoint picker its rights:"
            f" {refused[0].get('message')}",
            [
                Evidence(
                    object=f"{row.get('kind')}/{row.get('namespace') or ''}/{row.get('name')}",
                    observed=str(row.get("message")),
                )
                for row in refused
            ],
            "Who installs must have every right that a role gives: have an administrator install, or bind the right"
            " `escalate` on roles.",
        )
    return passed("The endpoint picker has a token, and its role lets it read pods and its pool.")


def _has_token(template: PodTemplate) -> bool:
    projected = any(
        "serviceAccountToken" in source
        for volume in template.spec.get("volumes") or ()
        for source in (volume.get("projected") or {}).get("sources") or ()
    )
    return projected or template.spec.get("automountServiceAccountToken") is not False


def _lacking(case: Case, template: PodTemplate) -> Iterator[str]:
    """Kinds that the picker's service account cannot read by the rendered roles."""
    account = str(template.spec.get("serviceAccountName") or "default")
    if not any(True for _ in case.rendered("RoleBinding", "ClusterRoleBinding")):
        return  # roles that exist already: what they give shows in no rendered object
    rules = [rule for role in _roles(case, account) for rule in role.get("rules") or ()]
    for group, plural in (("", "pods"), *_pools(case)):
        verbs = {
            verb
            for rule in rules
            if {group, "*"} & set(rule.get("apiGroups") or ()) and {plural, "*"} & set(rule.get("resources") or ())
            for verb in rule.get("verbs") or ()
        }
        if "*" not in verbs and not verbs >= _READING:
            yield plural if not group else f"{plural}.{group}"


def _pools(case: Case) -> tuple[tuple[str, str], ...]:
    return tuple(
        {(str(pool["apiVersion"]).partition("/")[0], "inferencepools"): None for pool in case.rendered("InferencePool")}
    )


def _roles(case: Case, account: str) -> Iterator[Item]:
    for binding in case.rendered("RoleBinding", "ClusterRoleBinding"):
        names = [each.get("name") for each in binding.get("subjects") or () if each.get("kind") == "ServiceAccount"]
        reference = binding.get("roleRef") or {}
        if account in names:
            for role in case.rendered(str(reference.get("kind"))):
                if role["metadata"]["name"] == reference.get("name"):
                    yield role


def _administrator(case: Case) -> Verdict:
    found = case.section("identity")
    if not found:
        return unknown("the API server did not say who asks")
    if not found[0].get("username") or not isinstance(found[0].get("groups"), (list, tuple)):
        return unknown("the API server did not say who asks, or in which groups")
    groups = [str(each) for each in found[0]["groups"]]
    mighty = [each for each in groups if each in _ADMINS]
    name = str(found[0].get("username", ""))
    if mighty:
        return failed(
            f"{name} is a member of {listed(mighty)}, which may do anything: RBAC stops no mistake.",
            (),
            "Install with an account that has the rights of LD0201 alone.",
        )
    return passed(f"{name} is in no group that may do anything by its name.")


CHECKS: Final = (
    Check(
        code="LD1306",
        slug="egress",
        title="Pods reach DNS, the model hub and the API server",
        severity=Severity.WARNING,
        rule=_egress,
        needs=("network-policies", "namespaces", "other-network-policies"),
        why="Where a namespace denies egress by default, pods cannot resolve names, download their model or, for the"
        " endpoint picker, watch its pool.",
        remedy="Allow the release's pods out to these.",
        sources=("https://kubernetes.io/docs/concepts/services-networking/network-policies/",),
    ),
    Check(
        code="LD1308",
        slug="picker-rights",
        title="The endpoint picker may read pods and its pool",
        severity=Severity.ERROR,
        rule=_picker_rights,
        needs=("dry-run",),
        why="Without get, list and watch of pods and InferencePools the endpoint picker starts, sees no endpoint, and"
        " answers every request with an error.",
        remedy="Keep the role that the chart makes, or bind one like it.",
        sources=(
            "https://github.com/llm-d-incubation/llm-d-modelservice/issues/15",
            "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping",
        ),
    ),
    Check(
        code="LD1309",
        slug="administrator",
        title="The installing account is no administrator of everything",
        severity=Severity.NOTE,
        rule=_administrator,
        needs=("identity",),
        why="An account of system:masters bypasses authorization altogether, and its use cannot be revoked.",
        remedy="Use an account with the rights that the recipe needs.",
        sources=("https://kubernetes.io/docs/concepts/security/rbac-good-practices/",),
    ),
)
