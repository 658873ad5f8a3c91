"""Whether the rules for pods let the recipe's pods in: Pod Security, OpenShift's constraints, paths of the node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.interconnect import NO_RECIPE
from llmdctl.preflight.checks.versions import server_minor
from llmdctl.preflight.phrases import listed
from llmdctl.preflight.pod_security import Level, Pod, Violation, stated, violations
from llmdctl.preflight.security_constraints import granted, refusals, usable
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, warned
from llmdctl.preflight.workload import PodTemplate

Item = Mapping[str, Any]
Row = tuple[PodTemplate, Violation]
_MUST_EXIST: Final = ("Directory", "File", "Socket", "CharDevice", "BlockDevice")
_READ_ONLY: Final = ("Container-Optimized OS", "Bottlerocket", "Talos", "Flatcar", "CoreOS", "RHCOS")
_WRITABLE: Final = ("/var", "/mnt", "/home", "/tmp", "/run", "/dev", "/opt", "/etc", "/local")
_SERVERLESS: Final = {
    "eks.amazonaws.com/compute-type=fargate": "EKS Fargate",
    "cloud.google.com/gke-provisioning=autopilot": "GKE Autopilot",
}


def own_namespace(case: Case) -> Item | None:
    """The release's namespace; None where there is none yet. Raises UnknowableError where it could not be read."""
    found = (item for item in case.section("namespaces") if item["metadata"]["name"] == case.namespace)
    return next((item for item in found if not item.get("absent")), None)


def _pod_security(case: Case) -> Verdict:
    if not case.workloads:
        return skipped(NO_RECIPE)
    namespace, server = own_namespace(case), server_minor(case)
    labels = (namespace["metadata"].get("labels") if namespace else None) or {}
    enforced = stated(labels, "enforce")
    refused = _violating(case, enforced, server) if enforced else ()
    if enforced and refused:
        return _refused(case, enforced, refused, server)
    said = f"Namespace {case.namespace} enforces {enforced}" if enforced else _silent(case, namespace is not None)
    for mode in ("warn", "audit"):
        level = stated(labels, mode)
        found = _violating(case, level, server) if level else ()
        if level and found:
            return passed(
                f"{said}, which lets the pods in. Its {mode} level {level} would not, and only says so:"
                f" {listed(_controls(found))}.",
                _rows(found),
            )
    return passed(f"{said}: all {len(case.workloads)} sorts of pods are let in.")


def _silent(case: Case, exists: bool) -> str:
    where = f"Namespace {case.namespace}" if exists else f"Namespace {case.namespace}, which does not exist yet,"
    return f"{where} states no Pod Security level, and Kubernetes' own default is privileged"


def _violating(case: Case, level: Level, server: tuple[int, int]) -> tuple[Row, ...]:
    return tuple(
        (template, found)
        for template in case.workloads
        for found in violations(level, template.annotations, template.spec, server=server)
    )


def _controls(found: tuple[Row, ...]) -> list[str]:
    return list(dict.fromkeys(violation.control for _, violation in found))


def _rows(found: tuple[Row, ...]) -> list[Evidence]:
    by_pod: dict[str, list[str]] = {}
    for template, violation in found:
        by_pod.setdefault(template.identity, []).append(str(violation))
    return [Evidence(object=name, observed="; ".join(said)) for name, said in by_pod.items()]


def _refused(case: Case, level: Level, found: tuple[Row, ...], server: tuple[int, int]) -> Verdict:
    pods = dict.fromkeys(template.identity for template, _ in found)
    needed = "privileged"
    if level.name == "restricted" and not _violating(case, Level(name="baseline", version=level.version), server):
        needed = "baseline"
    return failed(
        f"Namespace {case.namespace} enforces Pod Security {level}, which refuses the pods of {len(pods)} of"
        f" {len(case.workloads)} workloads: {listed(_controls(found))}.",
        _rows(found),
        f"Let the namespace's owner lower its level to {needed}, or take a namespace that has it:",
        f"$ kubectl label namespace {case.namespace} pod-security.kubernetes.io/enforce={needed} --overwrite",
    )


def _constraints(case: Case) -> Verdict:
    if not case.workloads:
        return skipped(NO_RECIPE)
    constraints = case.section("security-context-constraints")
    if not constraints:
        return skipped("this is no OpenShift: there are no security context constraints")
    namespace = own_namespace(case)
    annotations = (namespace["metadata"].get("annotations") if namespace else None) or {}
    refused, doubtful = [], []
    for template in case.workloads:
        pod = Pod(annotations=template.annotations, spec=template.spec, version=(1, 0))
        said = {str(each["metadata"]["name"]): refusals(each, pod, annotations) for each in constraints}
        fitting = [each for each in constraints if not said[str(each["metadata"]["name"])]]
        if not fitting:
            refused.append((template, said))
        elif not any(_may_use(case, template, each) for each in fitting):
            doubtful.append((template, [str(each["metadata"]["name"]) for each in fitting]))
    if refused:
        return _none_fits(refused, len(constraints))
    if doubtful:
        return _none_granted(case, doubtful)
    return passed(f"Each of {len(case.workloads)} sorts of pods has a constraint that admits it and that it may use.")


def _may_use(case: Case, template: PodTemplate, constraint: Item) -> bool:
    account = str(template.spec.get("serviceAccountName") or "default")
    return usable(constraint, account, case.namespace) or granted(case.objects, constraint["metadata"]["name"])


def _none_fits(refused: list[tuple[PodTemplate, dict[str, tuple[str, ...]]]], number: int) -> Verdict:
    template, said = refused[0]
    nearest = min(said, key=lambda name: len(said[name]))
    return failed(
        f"None of {number} security context constraints admits the pods of"
        f" {listed(each.identity for each, _ in refused)}; {nearest}, the nearest, refuses: {listed(said[nearest])}.",
        [Evidence(object=each.identity, observed=f"{name}: {listed(why)}") for each, all_ in refused
         for name, why in list(all_.items())[:4]],
        "Make a SecurityContextConstraints that allows what is listed, and bind it to"
        f" the service account {template.spec.get('serviceAccountName', 'default')}.",
    )  # fmt: skip


def _none_granted(case: Case, doubtful: list[tuple[PodTemplate, list[str]]]) -> Verdict:
    template, names = doubtful[0]
    account = str(template.spec.get("serviceAccountName") or "default")
    return warned(
        f"The pods of {listed(each.identity for each, _ in doubtful)} need the security context constraint"
        f" {listed(sorted(names), between=' or ')}, and no"
        f" constraint's own list lets the service account {account} use it; a role binding may.",
        [Evidence(object=each.identity, observed=f"admitted by {listed(sorted(fit))}") for each, fit in doubtful],
        f"$ oc auth can-i use scc/{sorted(names)[0]} --as=system:serviceaccount:{case.namespace}:{account}",
        f"$ oc adm policy add-scc-to-user {sorted(names)[0]} -z {account} -n {case.namespace}",
    )


def _host_paths(case: Case) -> Verdict:
    if not case.workloads:
        return skipped(NO_RECIPE)
    used = [(each, volume) for each in case.workloads for volume in _paths(each)]
    if not used:
        return passed("No pod mounts a path of its node.")
    rows = [
        Evidence(object=each.identity, observed=f"{volume['hostPath']['path']} ({_kind(volume)})")
        for each, volume in used
    ]
    for node in case.nodes:
        where = next((name for label, name in _SERVERLESS.items() if _has(node.labels, label)), None)
        if where and len({_serverless(each.labels) for each in case.nodes}) == 1:
            return failed(f"{where} lets no pod mount a path of its node.", rows, "Take nodes of one's own.")
    created = [(each, path) for each, volume in used if (path := _created(volume))]
    images = {node.info.get("osImage", "") for node in case.nodes}
    strict = sorted(image for image in images if any(name in image for name in _READ_ONLY))
    if created and strict:
        return warned(
            f"Pods make {listed(dict.fromkeys(path for _, path in created))} on their node, and the root file system of"
            f" {listed(strict)} is read-only.",
            rows,
            "Choose a path below /var or /mnt.",
        )
    if any(_kind(volume) in _MUST_EXIST for _, volume in used):
        return warned(
            f"Pods mount {listed(dict.fromkeys(volume['hostPath']['path'] for _, volume in used))}, which must exist on"
            " every candidate node; no object of the API says whether it does.",
            rows,
            "Look at one node of each pool, or ask --probe.",
        )
    return passed("The paths of nodes that pods mount are made where they are absent.")


def _paths(template: PodTemplate) -> Iterator[Item]:
    return (volume for volume in template.spec.get("volumes") or () if volume.get("hostPath") is not None)


def _kind(volume: Item) -> str:
    return str(volume["hostPath"].get("type") or "unchecked")


def _created(volume: Item) -> str:
    """The path, where the kubelet would have to make it outside of what is writable everywhere."""
    path = str(volume["hostPath"]["path"])
    below = any(path == root or path.startswith(f"{root}/") for root in _WRITABLE)
    return "" if below or _kind(volume) in _MUST_EXIST else path


def _has(labels: Mapping[str, str], written: str) -> bool:
    key, _, value = written.partition("=")
    return labels.get(key) == value


def _serverless(labels: Mapping[str, str]) -> str:
    return next((name for label, name in _SERVERLESS.items() if _has(labels, label)), "")


CHECKS: Final = (
    Check(
        code="LD1301",
        slug="pod-security",
        title="Pod Security lets the recipe's pods into the namespace",
        severity=Severity.ERROR,
        rule=_pod_security,
        needs=("namespaces", "version"),
        why="A namespace can enforce a Pod Security level. Deployments are accepted all the same, and their pods are"
        " never made. RDMA needs IPC_LOCK, which even baseline refuses.",
        remedy="Lower the level of the namespace, take another one, or a recipe without RDMA.",
        sources=(
            "https://kubernetes.io/docs/concepts/security/pod-security-standards/",
            "https://kubernetes.io/docs/concepts/security/pod-security-admission/",
        ),
    ),
    Check(
        code="LD1302",
        slug="security-context-constraints",
        title="OpenShift has a constraint that admits the pods and that they may use",
        severity=Severity.ERROR,
        rule=_constraints,
        needs=("security-context-constraints", "namespaces"),
        why="OpenShift makes a pod only where a security context constraint admits it and its service account may use"
        " that constraint. restricted-v2, which all may use, allows neither IPC_LOCK nor running as root.",
        remedy="Make a constraint for what the pods need, and bind it to the release's service account.",
        sources=(
            "https://docs.redhat.com/en/documentation/openshift_container_platform/4.19/html/"
            "authentication_and_authorization/managing-pod-security-policies",
            "https://github.com/openshift/apiserver-library-go",
        ),
    ),
    Check(
        code="LD1307",
        slug="host-paths",
        title="Paths of nodes that pods mount can be there",
        severity=Severity.WARNING,
        rule=_host_paths,
        needs=("nodes",),
        why="A hostPath with a type must exist before the pod starts; without one, the kubelet makes it, which"
        " operating systems with a read-only root do not allow.",
        remedy="Check the path on a node, or choose another.",
        sources=(
            "https://kubernetes.io/docs/concepts/storage/volumes/#hostpath",
            "https://cloud.google.com/container-optimized-os/docs/concepts/disks-and-filesystem",
        ),
    ),
)
