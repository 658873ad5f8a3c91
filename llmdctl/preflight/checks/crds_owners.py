"""Whose CRDs are they, may they be changed, and are they in order?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.model.release import Prerequisite
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.crds import GATEWAY
from llmdctl.preflight.crd import (
    Crd,
    absent,
    concerned,
    crds,
    evidence,
    how,
    lacking,
    missing_evidence,
    names,
    prerequisites,
    rendered_kinds,
    version,
)
from llmdctl.preflight.phrases import all_of, counted
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, unknown, warned

_OPENSHIFT_POLICY: Final = "openshift-ingress-operator-gatewayapi-crd-admission"
_SAFE_UPGRADES: Final = "safe-upgrades.gateway.networking.k8s.io"
_SAFE_FROM: Final = (1, 5, 0)  # it refuses v0.x and v1.0 to v1.4
_BUILT_IN: Final = frozenset(
    f"{name}.k8s.io"
    for name in (
        "admissionregistration", "apiextensions", "apiregistration", "authentication", "authorization", "certificates",
        "coordination", "discovery", "events", "flowcontrol.apiserver", "internal.apiserver", "networking", "node",
        "rbac.authorization", "resource", "scheduling", "storage", "storagemigration",
    )
)  # fmt: skip
"""Groups of the API server itself, which have no CRD."""


_JUDGED: Final[Mapping[str, str]] = {
    GATEWAY: "LD0401",
    "inference.networking.k8s.io": "LD0405",
    "leaderworkerset.x-k8s.io": "LD0407",
    "keda.sh": "LD0409",
    "monitoring.coreos.com": "LD0410",
    "azmonitoring.coreos.com": "LD0410",
    "monitoring.googleapis.com": "LD0410",
    "resource.nvidia.com": "LD0412",
}
"""Groups of which another check says that they are missing."""


def needed_crds(case: Case) -> tuple[Crd, ...]:
    """The CRDs that the recipe renders objects of, or that its prerequisites name."""
    required = prerequisites(case)
    kinds = {(kind.group, kind.name) for kind in rendered_kinds(case)}
    return tuple(crd for crd in crds(case).values() if crd.name in required or (crd.group, crd.kind) in kinds)


def _owner(case: Case) -> Verdict:
    if not case.objects and not prerequisites(case):
        return skipped("no recipe was named")
    there = needed_crds(case)
    if not there:
        return skipped("none of the CRDs that the recipe needs is there yet")
    owned = [crd for crd in there if crd.owner]
    if not owned:
        return passed("None of the CRDs that the recipe needs says that a platform or a release manages it.")
    seen = evidence(owned, lambda crd: f"belongs to {crd.owner}{f', {crd.bundle}' if crd.bundle else ''}")
    groups = {crd.group: crd.owner for crd in owned}
    missing = [kind for kind in lacking(case, rendered_kinds(case)) if kind.group in groups]
    if missing:
        return failed(
            f"{names(missing)} is not served, and the CRDs of {names(sorted({kind.group for kind in missing}))} belong"
            f" to {names(sorted({groups[kind.group] for kind in missing}))}: nobody else should install them.",
            (*missing_evidence(missing), *seen),
            "Have the owner upgrade them; do not use --with-prerequisites.",
        )
    gaps = [name for name in absent(case) if name.partition(".")[2] in groups]
    if gaps:
        return warned(
            f"Not there of the pinned release: {names(gaps)}. The CRDs beside them belong to"
            f" {names(sorted({groups[name.partition('.')[2]] for name in gaps}))}.",
            seen,
            "Ask the owner for an upgrade before you add CRDs of another release to theirs.",
        )
    who = names(sorted({crd.owner for crd in owned}))
    return passed(f"{counted(len(owned), 'CRD')} with an owner ({who}): left alone.", seen)


def _policy(case: Case) -> Verdict:
    if not concerned(case, GATEWAY):
        return skipped("the recipe has nothing of Gateway API")
    changes = absent(case, GATEWAY)
    bound = dict(_bound(case))
    if not changes:
        return passed(
            f"No CRD of Gateway API has to be applied. Admission policies about CRDs: {names(bound) or 'none'}."
        )
    seen = tuple(Evidence(object=f"ValidatingAdmissionPolicy//{name}", observed="bound, denies") for name in bound)
    if _OPENSHIFT_POLICY in bound:
        return failed(
            f"{names(changes)} would have to be applied, and OpenShift's ingress operator refuses every change of the"
            " CRDs of Gateway API.",
            seen,
            "Take what OpenShift brings: --gateway openshift-service-mesh.",
        )
    pinned = [known for needed in changes.values() if (known := version(needed.version))]
    if _SAFE_UPGRADES in bound and pinned and min(pinned) < _SAFE_FROM:
        return failed(
            f"Gateway API's own policy refuses CRDs older than 1.5.0: {'.'.join(map(str, min(pinned)))} is too old.",
            seen, "Take a set of versions with Gateway API 1.5 or newer: --versions.",
        )  # fmt: skip
    others = [name for name in bound if name not in (_OPENSHIFT_POLICY, _SAFE_UPGRADES)]
    if others:
        return warned(
            f"{names(changes)} would have to be applied; {names(others)} judges CRDs and may refuse that.",
            seen, "Try it first: $ kubectl apply --server-side --dry-run=server.",
        )  # fmt: skip
    return passed(f"{names(changes)} may be applied: no policy refuses it.")


def _bound(case: Case) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Admission policies about CRDs that a binding makes deny: name and policy."""
    items = case.section("admission-policies")
    denying = {
        str((item.get("spec") or {}).get("policyName"))
        for item in items
        if item.get("kind") == "ValidatingAdmissionPolicyBinding"
        and "Deny" in ((item.get("spec") or {}).get("validationActions") or ())
    }
    for item in items:
        name = str(item["metadata"]["name"])
        if item.get("kind") == "ValidatingAdmissionPolicy" and name in denying and _judges_crds(item):
            yield name, item


def _judges_crds(policy: Mapping[str, Any]) -> bool:
    rules = ((policy.get("spec") or {}).get("matchConstraints") or {}).get("resourceRules") or ()
    return any(
        "apiextensions.k8s.io" in (rule.get("apiGroups") or ())
        and {"*", "customresourcedefinitions"} & set(rule.get("resources") or ())
        for rule in rules
    )


def _established(case: Case) -> Verdict:
    kinds = tuple(kind for kind in rendered_kinds(case) if kind.group not in _BUILT_IN)
    if not kinds:
        return skipped("the recipe renders only kinds of the API server itself")
    missing = lacking(case, [kind for kind in kinds if kind.group not in _JUDGED])
    if missing:
        gone = absent(case, *{kind.group for kind in missing})
        required = tuple(gone.values())
        return failed(
            f"Not served, and rendered by the recipe: {names(missing)}.",
            missing_evidence(missing),
            *(how(required) if required else ("Install the controller that these kinds are of.",)),
        )
    bad = [(crd, why) for crd in needed_crds(case) if (why := _fault(case, crd))]
    if bad:
        return failed(
            f"CRDs that are not in order: {names(f'{crd.name} {why}' for crd, why in bad)}.",
            tuple(Evidence(object=crd.identity, observed=why) for crd, why in bad),
            f"$ kubectl describe crd {bad[0][0].name}",
            "Bring the controller whose webhook converts it back, or finish its removal and install it anew.",
        )
    mine = [kind for kind in kinds if kind.group not in _JUDGED]
    there = needed_crds(case)
    mute = [crd.name for crd in there if "Established" not in crd.conditions]
    if mute:
        return unknown(f"{names(mute)} does not say whether it is established")
    if not there and not mine:
        return skipped(f"what is missing is said by {names(sorted({_JUDGED[kind.group] for kind in kinds}))}")
    return passed(f"{all_of(len(there), 'CRD')} that the recipe needs: established.")


def _fault(case: Case, crd: Crd) -> str:
    """What is wrong with a CRD, empty where nothing is."""
    if (crd.item.get("metadata") or {}).get("deletionTimestamp") or crd.conditions.get("Terminating") == "True":
        return "is being removed"
    for condition in ("Established", "NamesAccepted"):
        if crd.conditions.get(condition, "True") != "True":  # none stated is judged by the caller
            return f"is not {condition}"
    conversion = (crd.item.get("spec") or {}).get("conversion") or {}
    if conversion.get("strategy") != "Webhook":
        return ""
    service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
    return "" if service is None else unreachable(case, service, "its conversion webhook")


def unreachable(case: Case, service: Mapping[str, Any], what: str) -> str:
    """That no endpoint of a Service is ready, in words; empty where one is. Raises UnknowableError without slices."""
    namespace, name = str(service.get("namespace", "")), str(service.get("name", ""))
    for item in case.section("endpoint-slices"):
        metadata = item.get("metadata") or {}
        of = (metadata.get("labels") or {}).get("kubernetes.io/service-name")
        ready = any((row.get("conditions") or {}).get("ready") is not False for row in item.get("endpoints") or ())
        if ready and (metadata.get("namespace"), of) == (namespace, name):
            return ""
    return f"has no ready endpoint for {what} ({namespace}/{name})"


def _imported(case: Case) -> Verdict:
    if not prerequisites(case):
        return skipped("the recipe has no prerequisites with CRDs")
    gone = absent(case)
    installing = {need.name: need for need in gone.values() if need.charts}
    if not installing:
        return passed("No chart of a prerequisite has to be installed, so no CRD has to change hands.")
    clashes = [(crd, need) for need in installing.values() for crd in _foreign(case, need)]
    if not clashes:
        return passed(f"No CRD of {names(need.title for need in installing.values())} is somebody else's.")
    return failed(
        f"{names(dict.fromkeys(need.title for _, need in clashes))} would be installed, and Helm refuses,"
        f" because of CRDs that are there and not of that release: {names(crd.name for crd, _ in clashes)}.",
        tuple(
            Evidence(object=crd.identity, observed=crd.owner or "no Helm release", expected=_release(need))
            for crd, need in clashes
        ),
        "Let whoever installed these CRDs install the rest, or hand them over: annotate them with"
        " meta.helm.sh/release-name and release-namespace, and label them app.kubernetes.io/managed-by=Helm.",
    )


def _foreign(case: Case, need: Prerequisite) -> Iterator[Crd]:
    """CRDs of a prerequisite that Helm would not let its chart have: those in a folder `crds` are never fought over."""
    if any(chart.skip_crds for chart in need.charts):
        return
    charts = {chart.name for chart in need.charts}
    have = crds(case)
    siblings = [have[name] for name in need.crds if name in have]
    for crd in siblings:
        templated = crd.release is not None or any(each.release for each in siblings) or need.name in _TEMPLATED
        if templated and (crd.release is None or crd.release[0] not in charts):
            yield crd


_TEMPLATED: Final = frozenset({"keda", "agentgateway", "envoy-ai-gateway", "istio"})
"""Prerequisites whose charts hold CRDs as templates: Helm owns them, and refuses to take over others.

KEDA: https://github.com/kedacore/charts/tree/main/keda/templates/crds; Istio: its chart base; agentgateway and Envoy AI
Gateway: their charts of CRDs.
"""


def _release(need: Prerequisite) -> str:
    return f"Helm release {names(chart.name for chart in need.charts)} in namespace {need.namespace}"


def _stored(case: Case) -> Verdict:
    required = needed_crds(case)
    if not required:
        return skipped("none of the CRDs that the recipe needs is there")
    bad = [(crd, old) for crd in required if (old := _leftover(case, crd))]
    mute = [crd.name for crd in required if not crd.stored]
    if mute and not bad:
        return unknown(f"{names(mute)} does not say in which versions objects are stored")
    if not bad:
        return passed(f"Objects are stored in versions that stay ({counted(len(required), 'CRD')}).")
    return failed(
        f"{names(f'{crd.name} still lists {names(old)} as stored' for crd, old in bad)}: an upgrade that drops such a"
        " version is refused by the API server.",
        tuple(
            Evidence(object=crd.identity, observed=f"storedVersions {names(crd.stored)}", expected=crd.storage)
            for crd, _ in bad
        ),
        "Write every object of the kind once (kubectl get and replace, or a StorageVersionMigration), then take the old"
        " version out of status.storedVersions.",
        f"$ kubectl get crd {bad[0][0].name} -o jsonpath='{{.status.storedVersions}}'",
    )


def _leftover(case: Case, crd: Crd) -> tuple[str, ...]:
    """Stored versions that are not served any more, or that an upgrade of an older bundle may drop."""
    need = prerequisites(case).get(crd.name)
    pinned, have = version(need.version) if need else None, version(crd.bundle)
    older = pinned is not None and have is not None and have < pinned
    return tuple(name for name in crd.stored if name != crd.storage and (older or name not in crd.served))


CHECKS: Final = (
    Check(
        code="LD0402",
        slug="crd-owner",
        title="CRDs that a platform manages are left to it",
        severity=Severity.ERROR,
        rule=_owner,
        needs=("crds",),
        why="GKE, OpenShift, operators and other releases manage CRDs and put back what others change, or remove it"
        " with their own removal. What they own must be good enough as it is.",
        remedy="Have the owner upgrade its CRDs.",
        sources=(
            "https://github.com/traefik/traefik-helm-chart/issues/1183",
            "https://github.com/tigera/operator/issues/4063",
        ),
    ),
    Check(
        code="LD0403",
        slug="crd-policy",
        title="No admission policy refuses CRDs that are missing",
        severity=Severity.ERROR,
        rule=_policy,
        needs=("crds", "admission-policies"),
        why="OpenShift from 4.19 on refuses every change of the CRDs of Gateway API, even by a cluster administrator;"
        " Gateway API from 1.5 on brings a policy that refuses older bundles and experimental over standard.",
        remedy="Take the gateway that the platform brings, or a newer release.",
        sources=(
            "https://github.com/openshift/cluster-ingress-operator/pull/1192",
            "https://github.com/kubernetes-sigs/gateway-api/blob/v1.5.1/config/crd/standard/gateway.networking.k8s.io_vap_safeupgrades.yaml",
            "https://github.com/llm-d/llm-d-autoscaling/issues/726",
        ),
    ),
    Check(
        code="LD0417",
        slug="custom-kinds-served",
        title="Every custom kind that is rendered is served and established",
        severity=Severity.ERROR,
        rule=_established,
        needs=("crds",),
        why="An object of a kind that is not served, not established, or whose conversion webhook does not answer"
        " cannot be made, and Helm fails half way.",
        remedy="Install what the kinds belong to, or bring its webhook back.",
        sources=(
            "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/",
        ),
    ),
    Check(
        code="LD0418",
        slug="crd-of-other-release",
        title="Helm may install the CRDs of missing prerequisites",
        severity=Severity.ERROR,
        rule=_imported,
        needs=("crds",),
        why="Helm refuses to install a chart with a template for an object that exists without this release's marks:"
        " `exists and cannot be imported into the current release: invalid ownership metadata`.",
        remedy="Have one owner of each set of CRDs.",
        sources=("https://github.com/kedacore/charts/issues/88", "https://github.com/helm/helm/pull/7649"),
    ),
    Check(
        code="LD0419",
        slug="crd-stored-versions",
        title="No object is stored in a version that goes",
        severity=Severity.WARNING,
        rule=_stored,
        needs=("crds",),
        why="The API server refuses a CRD that leaves out a version named in status.storedVersions, so an upgrade of"
        " the prerequisite stops there.",
        remedy="Migrate the stored objects, then take the old version out of status.storedVersions.",
        sources=(
            "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#upgrade-existing-objects-to-a-new-stored-version",
            "https://gateway-api.sigs.k8s.io/guides/getting-started/#v12-upgrade-notes",
        ),
    ),
)
