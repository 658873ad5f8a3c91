"""What is in the cluster already where the release would put its objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.releases import RELEASE_NAME, RELEASE_NAMESPACE, identity, is_own, known
from llmdctl.preflight.crd import names
from llmdctl.preflight.phrases import counted
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped

Item = Mapping[str, Any]
_GITOPS: Final[Mapping[str, str]] = {
    "argocd.argoproj.io/instance": "Argo CD",
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
    "objectset.rio.cattle.io/id": "Fleet",
}
"""Label or annotation -> who puts it on what it manages."""
_PART_OF: Final = ("app.kubernetes.io/part-of", "llmd")
_LEFTOVERS: Final = (
    "persistent-volume-claims", "resource-claims", "services", "deployments", "leader-worker-sets", "inference-pools",
    "http-routes", "gateways", "hpas", "scaled-objects", "network-policies",
)  # fmt: skip
"""Sections in which objects of a removed release may be left."""


def _nothing(case: Case) -> Verdict | None:
    return None if case.objects else skipped("no recipe was named")


def _ownership(case: Case) -> Verdict:
    nothing = _nothing(case)
    if nothing:
        return nothing
    live = case.section("live")
    if not live:
        return passed(f"None of the {len(case.objects)} objects exists yet.")
    foreign = [item for item in live if not is_own(case, item)]
    if not foreign:
        return passed(f"{len(live)} of {len(case.objects)} objects exist, all of this release.")
    owners = sorted({owner(item) for item in foreign})
    return failed(
        f"{len(foreign)} of {len(case.objects)} objects exist and are not of release {case.release}; they belong to"
        f" {names(owners)}. Helm refuses to take them over.",
        tuple(
            Evidence(object=identity(item), observed=owner(item), expected=f"Helm release {case.release}")
            for item in foreign
        ),
        "Take another name or namespace for the release, or remove these objects.",
        "If they may become the release's: --take-ownership.",
    )


def owner(item: Item) -> str:
    """Who owns a live object, in words."""
    metadata = item.get("metadata") or {}
    notes = metadata.get("annotations") or {}
    if notes.get(RELEASE_NAME):
        return f"Helm release {notes[RELEASE_NAME]} in namespace {notes.get(RELEASE_NAMESPACE, '?')}"
    controllers = [row for row in metadata.get("ownerReferences") or () if row.get("controller")]
    if controllers:
        return f"{controllers[0].get('kind')} {controllers[0].get('name')}"
    managers = sorted({str(row["manager"]) for row in metadata.get("managedFields") or () if row.get("manager")})
    return f"whoever used {names(managers)}" if managers else "somebody else"


def _gitops(case: Case) -> Verdict:
    nothing = _nothing(case)
    if nothing:
        return nothing
    live = case.section("live")
    held = {identity(item): who for item in live if (who := _manager(item))}
    if not held:
        return passed(f"Objects of the release that exist: {len(live)}; a GitOps tool manages none.")
    return failed(
        f"{names(sorted(set(held.values())))} manages {len(held)} of the objects that exist: it puts back what an"
        " installation changes.",
        tuple(Evidence(object=name, observed=f"managed by {who}") for name, who in held.items()),
        "Change them where they are managed: llmdctl render --to writes what to commit.",
    )


def _manager(item: Item) -> str:
    metadata = item.get("metadata") or {}
    marks = {**(metadata.get("annotations") or {}), **(metadata.get("labels") or {})}
    return next((who for key, who in _GITOPS.items() if key in marks), "")


def _leftovers(case: Case) -> Verdict:
    there = known(case)
    left = [item for section in _LEFTOVERS for item in case.section(section) if _orphan(item, there)]
    if not left:
        return passed(f"Nothing is left over of a release that is gone (releases there: {len(there)}).")
    gone = sorted({_release(item) for item in left})
    claims = sum(item.get("kind") == "PersistentVolumeClaim" for item in left)
    return failed(
        f"{counted(len(left), 'object')} left over of releases that are gone"
        f" ({names(f'{space}/{name}' for name, space in gone)})"
        f"{', volumes among them, which go on costing' if claims else ''}.",
        tuple(
            Evidence(object=identity(item), observed=f"of release {'/'.join(_release(item)[::-1])}") for item in left
        ),
        "Remove what nobody needs any more; a volume with weights can be used again by a release of the same name.",
    )


def _release(item: Item) -> tuple[str, str]:
    metadata = item.get("metadata") or {}
    notes, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    name = notes.get(RELEASE_NAME) or labels.get("app.kubernetes.io/instance", "")
    return str(name), str(notes.get(RELEASE_NAMESPACE) or metadata.get("namespace", ""))


def _orphan(item: Item, there: frozenset[tuple[str, str]]) -> bool:
    metadata = item.get("metadata") or {}
    ours = (metadata.get("labels") or {}).get(_PART_OF[0]) == _PART_OF[1]
    # what a template or a GitOps tool applied has no release, and is no leftover of one
    of_helm = RELEASE_NAME in (metadata.get("annotations") or {})
    volume = item.get("kind") == "PersistentVolumeClaim" and not _manager(item)
    return ours and (of_helm or volume) and not metadata.get("ownerReferences") and _release(item) not in there


def _terminating(case: Case) -> Verdict:
    nothing = _nothing(case)
    if nothing:
        return nothing
    going = [item for item in case.section("live") if (item.get("metadata") or {}).get("deletionTimestamp")]
    if not going:
        return passed("Nothing that the release would make is being removed right now.")
    held = sorted({name for item in going for name in (item["metadata"].get("finalizers") or ())})
    return failed(
        f"What the release would make is being removed: {names(identity(item) for item in going)}"
        f"{f'; finalizers hold them: {names(held)}' if held else ''}.",
        tuple(
            Evidence(
                object=identity(item),
                observed=f"deleted at {item['metadata']['deletionTimestamp']}",
                expected="gone, or not being removed",
            )
            for item in going
        ),
        "Wait until they are gone. If a finalizer's controller is not there any more, bring it back first.",
        f"$ kubectl --namespace {case.namespace} get {str(going[0].get('kind')).lower()}"
        f" {going[0]['metadata']['name']} -o jsonpath='{{.metadata.finalizers}}'",
    )


def _pools(case: Case) -> Verdict:
    own = list(case.rendered("InferencePool"))
    if not own:
        return skipped("the recipe has no InferencePool")
    made = {(str(obj["metadata"].get("namespace", case.namespace)), str(obj["metadata"]["name"])) for obj in own}
    servers = [template for template in case.workloads if template.is_model_server]
    others = [item for item in case.section("inference-pools") if _key(item) not in made]
    taking = [
        (item, template)
        for item in others
        for template in servers
        if _key(item)[0] == str(template.workload["metadata"].get("namespace", case.namespace))
        and _takes(item, template.labels)
    ]
    if taking:
        pools = list(dict.fromkeys(identity(item) for item, _ in taking))
        return failed(
            f"Other InferencePools take pods of the recipe ({names(pools)}): two endpoint"
            " pickers would send requests to the same servers, each blind to the other's.",
            tuple(
                Evidence(object=identity(item), observed=f"selects {_selector(item)}, so {template.identity}")
                for item, template in taking
            ),
            "Narrow the selector of that pool, or install into another namespace.",
        )
    strangers = [(obj, item) for obj in own for item in case.section("pods") if _stranger(case, obj, item)]
    if strangers:
        return failed(
            f"The recipe's InferencePool would take {counted(len(strangers), 'pod')} of somebody else.",
            tuple(Evidence(object=identity(item), observed=f"selected by {_selector(obj)}") for obj, item in strangers),
            "Take another name or namespace for the release.",
        )
    return passed(f"No other InferencePool ({len(others)} there) selects pods of the recipe.")


def _key(item: Item) -> tuple[str, str]:
    return str(item["metadata"].get("namespace", "")), str(item["metadata"]["name"])


def _selector(item: Item) -> dict[str, str]:
    """Labels that a pool selects: v1 has them under matchLabels, the alpha API has them plain."""
    stated = (item.get("spec") or {}).get("selector") or {}
    return dict(stated.get("matchLabels") or {}) if "matchLabels" in stated else dict(stated)


def _takes(item: Item, labels: Mapping[str, str]) -> bool:
    stated = _selector(item)
    return bool(stated) and all(labels.get(key) == value for key, value in stated.items())


def _stranger(case: Case, pool: Item, pod: Item) -> bool:
    """Whether a pod that runs already would be taken into the recipe's pool without being of the release."""
    metadata = pod.get("metadata") or {}
    labels = metadata.get("labels") or {}
    if metadata.get("namespace") != pool["metadata"].get("namespace", case.namespace) or not _takes(pool, labels):
        return False
    mine = [template for template in case.workloads if template.is_model_server]
    same = ("app.kubernetes.io/managed-by", "app.kubernetes.io/part-of", "app.kubernetes.io/instance")
    return not any(all(labels.get(key) == each.labels.get(key) for key in same) for each in mine)


def _immutable(case: Case) -> Verdict:
    nothing = _nothing(case)
    if nothing:
        return nothing
    wanted = {_rendered_key(obj): obj for obj in case.objects}
    live = [item for item in case.section("live") if is_own(case, item)]
    if not live:
        return skipped("none of the objects exists yet as part of this release")
    found = [(item, path) for item in live for path in _differing(wanted.get(_rendered_key(item)), item)]
    if not found:
        return passed(f"No field that cannot be changed differs ({counted(len(live), 'object')} compared).")
    return failed(
        "Fields that cannot be changed differ:"
        f" {names(f'{path} of {identity(item)}' for item, path in found)}. The upgrade would be refused.",
        tuple(Evidence(object=identity(item), observed=f"{path} differs") for item, path in found),
        "Remove these objects first (their pods stop), or install under another name and move the traffic.",
    )


_PATHS: Final[Mapping[str, tuple[str, ...]]] = {
    "Deployment": ("spec.selector",),
    "DaemonSet": ("spec.selector",),
    "StatefulSet": ("spec.selector", "spec.serviceName", "spec.podManagementPolicy", "spec.volumeClaimTemplates"),
    "Job": ("spec.selector", "spec.completionMode"),
    "ResourceClaimTemplate": ("spec",),
    "PersistentVolumeClaim": ("spec.storageClassName", "spec.accessModes", "spec.volumeMode", "spec.volumeName"),
    "RoleBinding": ("roleRef",),
    "ClusterRoleBinding": ("roleRef",),
    "PriorityClass": ("value", "preemptionPolicy"),
    "StorageClass": ("provisioner", "parameters", "volumeBindingMode"),
    "ComputeDomain": ("spec",),
    "LeaderWorkerSet": ("spec.leaderWorkerTemplate.subGroupPolicy",),
}
"""Kind -> fields that the API server refuses to change.

https://github.com/kubernetes/kubernetes/tree/v1.34.0/pkg/apis (the validation of updates of each kind);
https://github.com/kubernetes-sigs/dra-driver-nvidia-gpu/blob/main/api/nvidia.com/resource/v1beta1/computedomain.go;
https://github.com/kubernetes-sigs/lws/blob/v0.9.0/pkg/webhooks/leaderworkerset_webhook.go
"""


def _rendered_key(obj: Item) -> tuple[str, str, str]:
    metadata = obj["metadata"]
    return str(obj.get("kind")), str(metadata.get("namespace") or ""), str(metadata["name"])


def _differing(wanted: Item | None, item: Item) -> Iterator[str]:
    """Paths that both state, differently: what one leaves out is defaulted, or was not read."""
    if wanted is None:
        return
    for path in _PATHS.get(str(item.get("kind")), ()):
        want, have = _at(wanted, path), _at(item, path)
        if want is not None and have is not None and not _covers(have, want):
            yield path
    if item.get("kind") == "Service":
        want, have = _at(wanted, "spec.clusterIP"), _at(item, "spec.clusterIP")
        if have is not None and (want == "None") != (have == "None"):
            yield "spec.clusterIP"


def _at(obj: Item, path: str) -> object:
    value: object = obj
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _covers(have: object, want: object) -> bool:
    """Whether everything that is wanted is there; defaults of the server may stand beside it."""
    if isinstance(want, Mapping) and isinstance(have, Mapping):
        return all(key in have and _covers(have[key], value) for key, value in want.items())
    if isinstance(want, (list, tuple)) and isinstance(have, (list, tuple)):
        return len(want) == len(have) and all(_covers(one, other) for one, other in zip(have, want, strict=True))
    return bool(have == want)


CHECKS: Final = (
    Check(
        code="LD1504",
        slug="objects-of-others",
        title="No object of that name belongs to somebody else",
        severity=Severity.ERROR,
        rule=_ownership,
        needs=("live",),
        why="Helm refuses to install over an object without its own marks: `exists and cannot be imported into the"
        " current release`.",
        remedy="Take another name or namespace, or hand the objects over.",
        sources=("https://github.com/helm/helm/blob/v3.20.0/pkg/action/validate.go",),
    ),
    Check(
        code="LD1505",
        slug="gitops",
        title="No GitOps tool manages the objects",
        severity=Severity.WARNING,
        rule=_gitops,
        needs=("live",),
        why="Argo CD and Flux put back what others change in the objects that they manage.",
        remedy="Commit the rendered manifests instead of installing.",
        sources=(
            "https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/",
            "https://fluxcd.io/flux/components/kustomize/kustomizations/#garbage-collection",
        ),
    ),
    Check(
        code="LD1506",
        slug="leftovers",
        title="Nothing is left over of releases that are gone",
        severity=Severity.WARNING,
        rule=_leftovers,
        needs=("releases", *_LEFTOVERS),
        why="Objects that outlive their release keep volumes and addresses, and may be taken for the new one's.",
        remedy="Remove what nobody needs.",
        sources=("https://helm.sh/docs/howto/charts_tips_and_tricks/#tell-helm-not-to-uninstall-a-resource",),
    ),
    Check(
        code="LD1507",
        slug="terminating",
        title="Nothing that the release makes is being removed",
        severity=Severity.ERROR,
        rule=_terminating,
        needs=("live",),
        why="An object that is being removed is changed as if it stayed, and is gone a moment later.",
        remedy="Wait for the removal, or see which finalizer holds it.",
        sources=("https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/",),
    ),
    Check(
        code="LD1508",
        slug="pool-overlap",
        title="No other InferencePool selects the recipe's pods",
        severity=Severity.ERROR,
        rule=_pools,
        needs=("inference-pools", "pods"),
        why="Each endpoint picker balances by the load that it sees itself. Two over the same servers overload some of"
        " them, and a pool that takes pods of another model answers with 404.",
        remedy="Make the selectors disjoint.",
        sources=("https://gateway-api-inference-extension.sigs.k8s.io/api-types/inferencepool/",),
    ),
    Check(
        code="LD1510",
        slug="immutable-fields",
        title="No field changes that cannot change",
        severity=Severity.ERROR,
        rule=_immutable,
        needs=("live",),
        why="The API server refuses to change some fields; Helm then stops in the middle of the upgrade.",
        remedy="Remove the object first, or install beside it.",
        sources=("https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#selector",),
    ),
)
