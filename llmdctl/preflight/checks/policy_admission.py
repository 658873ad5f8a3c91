"""What stands between an accepted manifest and its pods: webhooks, injectors, policy engines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.interconnect import NO_RECIPE
from llmdctl.preflight.checks.policy_pods import own_namespace
from llmdctl.preflight.phrases import listed
from llmdctl.preflight.selector import selects
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, unknown, warned
from llmdctl.preflight.workload import PodTemplate

Item = Mapping[str, Any]
_ENGINES: Final = {
    "constrainttemplates.templates.gatekeeper.sh": "Gatekeeper",
    "clusterpolicies.kyverno.io": "Kyverno",
    "policies.kyverno.io": "Kyverno",
    "validatingpolicies.policies.kyverno.io": "Kyverno",
    "clusteradmissionpolicies.policies.kubewarden.io": "Kubewarden",
}
"""CRD -> the policy engine that it is of."""

_WORDS: Final = ("admission webhook", "ValidatingAdmissionPolicy", "Gatekeeper", "kyverno")


def _webhooks(case: Case) -> Verdict:
    if not case.objects:
        return skipped(NO_RECIPE)
    items = (*case.section("validating-webhooks"), *case.section("mutating-webhooks"))
    wanted = tuple(_requests(case))
    dead: list[Evidence] = []
    doubtful: list[Evidence] = []
    looked = 0
    for item in items:
        for hook in item.get("webhooks") or ():
            service = (hook.get("clientConfig") or {}).get("service")
            if not service or not any(_concerns(case, hook, each) for each in wanted):
                continue
            looked += 1
            why = _down(case, service)
            if why:
                row = Evidence(object=f"{item['kind']}//{item['metadata']['name']}", observed=f"{hook['name']}: {why}")
                (dead if hook.get("failurePolicy", "Fail") == "Fail" else doubtful).append(row)
    if dead:
        return failed(
            f"{len(dead)} admission webhooks that judge the recipe's objects have no server, and refuse everything"
            f" meanwhile: {dead[0].observed}.",
            dead + doubtful,
            "Bring the webhook's own pods back, or delete its configuration if nobody needs it.",
        )
    if doubtful:
        return warned(
            f"{len(doubtful)} admission webhooks without a server are passed over: {doubtful[0].observed}.", doubtful
        )
    return passed(f"All {looked} admission webhooks that judge the recipe's objects have a server.")


def _requests(case: Case) -> Iterator[tuple[str, str, str, str, Mapping[str, str]]]:
    """Group, version, plural, namespace and labels of everything that an install makes, pods included."""
    plurals = {
        (str(row.get("apiVersion")), str(row.get("kind"))): str(row.get("plural")) for row in case.section("apis")
    }
    for obj in case.objects:
        group, _, version = obj["apiVersion"].rpartition("/")
        plural = plurals.get((obj["apiVersion"], obj["kind"])) or _guess(obj["kind"])
        metadata = obj["metadata"]
        yield group, version, plural, str(metadata.get("namespace", "")), metadata.get("labels") or {}
    for template in case.workloads:
        yield "", "v1", "pods", case.namespace, template.labels


def _guess(kind: str) -> str:
    lower = kind.lower()
    return f"{lower[:-1]}ies" if lower.endswith("y") else f"{lower}es" if lower.endswith("s") else f"{lower}s"


def _concerns(case: Case, hook: Item, request: tuple[str, str, str, str, Mapping[str, str]]) -> bool:
    group, version, plural, namespace, labels = request
    if not any(
        _in(rule.get("apiGroups"), group) and _in(rule.get("apiVersions"), version)
        and _in(rule.get("resources"), plural) and _in(rule.get("operations"), "CREATE")
        and rule.get("scope", "*") in ("*", "Namespaced" if namespace else "Cluster")
        for rule in hook.get("rules") or ()
    ):  # fmt: skip
        return False
    if not selects(hook.get("objectSelector") or {}, labels):
        return False
    return not namespace or selects(hook.get("namespaceSelector") or {}, namespace_labels(case, namespace))


def _in(stated: object, wanted: str) -> bool:
    rows = stated if isinstance(stated, (list, tuple)) else ()
    return "*" in rows or wanted in rows or "*/*" in rows


def namespace_labels(case: Case, namespace: str) -> Mapping[str, str]:
    """With the label that every namespace gets; also of one that does not exist yet."""
    found = next((item for item in case.section("namespaces") if item["metadata"]["name"] == namespace), None)
    return {"kubernetes.io/metadata.name": namespace, **((found or {}).get("metadata", {}).get("labels") or {})}


def _down(case: Case, service: Item) -> str:
    """Why nobody answers for a Service; empty where somebody does."""
    name, namespace = str(service.get("name")), str(service.get("namespace"))
    there = any(_is(item, name, namespace) for item in case.section("services"))
    if not there:
        return f"Service {namespace}/{name} does not exist"
    slices = [
        item
        for item in case.section("endpoint-slices")
        if item["metadata"].get("namespace") == namespace
        and (item["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == name
    ]
    ready = [
        row
        for item in slices
        for row in item.get("endpoints") or ()
        if (row.get("conditions") or {}).get("ready", True) is not False
    ]
    return "" if ready else f"Service {namespace}/{name} has no ready endpoint"


def _is(item: Item, name: str, namespace: str) -> bool:
    return bool(item["metadata"]["name"] == name and item["metadata"].get("namespace") == namespace)


def _injectors(case: Case) -> Verdict:
    if not case.workloads:
        return skipped(NO_RECIPE)
    namespace = own_namespace(case)
    metadata = namespace["metadata"] if namespace else {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    servers = [template for template in case.workloads if template.is_model_server]
    found = [
        Evidence(object=template.identity, observed=mesh, expected="no sidecar in a model server")
        for template in servers
        if (mesh := _mesh(labels, annotations, template))
    ]
    if found:
        return warned(
            f"{found[0].observed} puts a sidecar into {len(found)} sorts of model servers: it takes every request and"
            " every byte of KV cache that goes over TCP through a second proxy, and delays the start.",
            found,
            "Leave the pods out by label or annotation (modelserver.roleDefaults.podLabels and podAnnotations), or take"
            " the label from the namespace.",
        )
    return passed(f"No service mesh puts a sidecar into pods of namespace {case.namespace}.")


def _mesh(labels: Mapping[str, str], annotations: Mapping[str, str], template: PodTemplate) -> str:
    """The mesh that would inject; empty for none.

    https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/
    https://linkerd.io/2/features/proxy-injection/
    https://kuma.io/docs/latest/production/dp-config/dpp-on-kubernetes/
    """
    asked = template.labels.get("sidecar.istio.io/inject", template.annotations.get("sidecar.istio.io/inject"))
    by_namespace = labels.get("istio-injection") == "enabled" or bool(labels.get("istio.io/rev"))
    if labels.get("istio-injection") == "disabled":
        by_namespace = False
    if asked != "false" and (asked == "true" or by_namespace):
        return "Istio"
    linkerd = template.annotations.get("linkerd.io/inject") or annotations.get("linkerd.io/inject")
    if linkerd in ("enabled", "ingress"):
        return "Linkerd"
    kuma = template.labels.get("kuma.io/sidecar-injection") or labels.get("kuma.io/sidecar-injection")
    return "Kuma" if kuma == "enabled" else ""


def _engines(case: Case) -> Verdict:
    if not case.objects:
        return skipped(NO_RECIPE)
    crds = {item["metadata"]["name"] for item in case.section("crds")}
    engines = sorted({name for crd, name in _ENGINES.items() if crd in crds})
    bound = [item for item in case.section("admission-policies") if item.get("kind", "").endswith("Binding")]
    engines += ["ValidatingAdmissionPolicy"] if bound else []
    if not engines:
        return passed("No policy engine judges objects here.")
    dry = case.reading("dry-run")
    if not dry.known:
        return unknown(
            f"{listed(engines)} may refuse objects, and what the server says of them is not known: {dry.reason}"
        )
    denied = [
        Evidence(
            object=f"{row.get('kind')}/{row.get('namespace') or ''}/{row.get('name')}", observed=str(row.get("message"))
        )
        for row in dry.items
        if row.get("outcome") in ("rejected", "forbidden") and any(word in str(row.get("message")) for word in _WORDS)
    ]
    if denied:
        return failed(
            f"Policies of {listed(engines)} refuse {len(denied)} of {len(dry.items)} objects: {denied[0].observed}",
            denied,
            "Ask who owns the policy for an exception, or change the value that it names.",
        )
    if not dry.items or any(not row.get("outcome") for row in dry.items):
        return unknown(f"{listed(engines)} may refuse objects, and the dry run does not say of each what became of it")
    return passed(f"{listed(engines)} let all {len(dry.items)} objects through in a dry run; pods they see later.")


CHECKS: Final = (
    Check(
        code="LD1303",
        slug="webhooks-reachable",
        title="Admission webhooks for the recipe's objects have a server",
        severity=Severity.ERROR,
        rule=_webhooks,
        needs=("validating-webhooks", "mutating-webhooks", "services", "endpoint-slices", "namespaces", "apis"),
        why="A webhook with failurePolicy Fail and no server refuses everything that it should judge, pods included:"
        " left over by an operator that is gone, or down with its node.",
        remedy="Bring its pods back or delete its configuration.",
        sources=("https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/",),
    ),
    Check(
        code="LD1304",
        slug="injectors",
        title="No service mesh puts sidecars into model servers",
        severity=Severity.WARNING,
        rule=_injectors,
        needs=("namespaces",),
        why="A mesh's sidecar in a model server proxies long streams and the transfer of KV cache, and can keep a pod"
        " of a group from starting in time.",
        remedy="Leave the pods out by their labels.",
        sources=(
            "https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/",
            "https://linkerd.io/2/features/proxy-injection/",
        ),
    ),
    Check(
        code="LD1305",
        slug="policy-engines",
        title="Policy engines let the recipe's objects through",
        severity=Severity.WARNING,
        rule=_engines,
        needs=("crds", "admission-policies"),
        why="Gatekeeper, Kyverno and admission policies can refuse what Kubernetes itself accepts: images without a"
        " digest, pods without an owner label, capabilities.",
        remedy="Change what the policy names, or have an exception made.",
        sources=(
            "https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/",
            "https://open-policy-agent.github.io/gatekeeper/website/docs/",
            "https://kyverno.io/docs/",
        ),
    ),
)
