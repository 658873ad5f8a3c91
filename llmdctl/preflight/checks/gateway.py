"""The provider of the Gateway: is its class accepted, does its controller run, and does it know InferencePools?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.model.release import Prerequisite
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.controller import ISTIOD, WELL_KNOWN, Controller, controllers, simulated
from llmdctl.preflight.crd import crds, how, names, version
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, unknown, warned

PROVIDERS: Final = ("istio", "agentgateway", "envoy-gateway", "envoy-ai-gateway")
"""Prerequisites that are controllers of a Gateway."""

_SWITCHES: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "istio": (
        ("ENABLE_GATEWAY_API_INFERENCE_EXTENSION",),
        "$ helm upgrade istiod istiod --namespace istio-system --reuse-values"
        " --set pilot.env.ENABLE_GATEWAY_API_INFERENCE_EXTENSION=true"
        " --repo https://istio-release.storage.googleapis.com/charts",
    ),
    "agentgateway": (
        ("AGW_ENABLE_INFER_EXT", "KGW_ENABLE_INFER_EXT"),
        "$ helm upgrade agentgateway oci://cr.agentgateway.dev/charts/agentgateway --namespace agentgateway-system"
        " --reuse-values --set inferenceExtension.enabled=true",
    ),
}
"""Provider -> the variables of its controller one of which must be true, and how to set it.

https://istio.io/latest/docs/tasks/traffic-management/ingress/gateway-api-inference-extension/,
https://github.com/agentgateway/agentgateway/blob/main/controller/install/helm/agentgateway/templates/deployment.yaml
"""
_GKE_CLASSES: Final = "gke-l7-"


def providers(case: Case) -> tuple[Prerequisite, ...]:
    """The controllers of the recipe's Gateway, among its prerequisites."""
    return tuple(need for need in (case.recipe.prerequisites if case.recipe else ()) if need.name in PROVIDERS)


def class_names(case: Case) -> tuple[str, ...]:
    """The GatewayClasses that the recipe's Gateways are of."""
    found = (str((obj.get("spec") or {}).get("gatewayClassName", "")) for obj in case.rendered("Gateway"))
    return tuple(dict.fromkeys(name for name in found if name))


def _class(case: Case) -> Verdict:
    wanted = class_names(case)
    if not wanted:
        return skipped("the recipe makes no Gateway")
    have = {str(item["metadata"]["name"]): item for item in case.section("gateway-classes")}
    own = {str(obj["metadata"]["name"]) for obj in case.rendered("GatewayClass")}
    for name in wanted:
        if name in own and name not in have:
            continue
        verdict = _judged(case, name, have)
        if verdict:
            return verdict
    return _controllers(case, have, own)


def _judged(case: Case, name: str, have: Mapping[str, Mapping[str, Any]]) -> Verdict | None:
    if name not in have:
        if simulated(case):
            return skipped("all nodes are simulated, so no controller of a Gateway can run")
        others = f" (there: {names(sorted(have))})" if have else ""
        return failed(
            f"GatewayClass {name} is not there{others}: nobody would make the Gateway.",
            (Evidence(object=f"GatewayClass//{name}", observed="absent"),),
            *how(providers(case)), "Or take another gateway: --gateway.",
        )  # fmt: skip
    stated = conditions(have[name])
    identity = f"GatewayClass//{name}"
    if stated.get("Accepted", ("", ""))[0] != "True":
        said = stated.get("Accepted", ("no word of its controller", ""))
        return failed(
            f"GatewayClass {name} is not accepted: {said[1] or said[0]}.",
            (Evidence(object=identity, observed=f"Accepted {said[0]}", expected="Accepted True"),),
            f"$ kubectl describe gatewayclass {name}", "See whether its controller runs.",
        )  # fmt: skip
    if stated.get("SupportedVersion", ("True", ""))[0] == "False":
        return warned(
            f"The controller of GatewayClass {name} does not know this release of Gateway API:"
            f" {stated['SupportedVersion'][1] or 'SupportedVersion False'}.",
            (Evidence(object=identity, observed="SupportedVersion False"),),
            "Bring the CRDs and the controller to releases that know each other.",
        )
    return None


def conditions(item: Mapping[str, Any]) -> Mapping[str, tuple[str, str]]:
    """Type -> status and message."""
    rows = (item.get("status") or {}).get("conditions") or ()
    return {str(row.get("type")): (str(row.get("status")), str(row.get("message") or "")) for row in rows}


def _controllers(case: Case, have: Mapping[str, Mapping[str, Any]], own: set[str]) -> Verdict:
    """The classes are well, or the recipe's own: of these only the controllers can be judged."""
    known = [name for name in class_names(case) if name in have]
    if not own - set(have):
        return passed(
            f"GatewayClass {names(known)} is accepted by {have[known[0]]['spec'].get('controllerName', '?')}."
        )
    lost = [need for need in providers(case) if not _available(case, need)]
    if not lost:
        return passed(f"The release makes GatewayClass {names(sorted(own))}, and its controllers run.")
    if simulated(case):
        return skipped("all nodes are simulated, so no controller of a Gateway can run")
    return failed(
        f"The release makes GatewayClass {names(sorted(own))}; of its controllers, {names(n.title for n in lost)} is"
        " not available.",
        (), *how(lost),
    )  # fmt: skip


def _found(case: Case, need: Prerequisite) -> tuple[Controller, ...]:
    return controllers(case, WELL_KNOWN[need.name])


def _available(case: Case, need: Prerequisite) -> bool:
    return any(each.available for each in _found(case, need))


def _extension(case: Case) -> Verdict:
    routed = [obj for obj in case.rendered("HTTPRoute") if any(_pools(obj))]
    needed = providers(case)
    if not routed:
        return skipped("no route of the recipe leads to an InferencePool")
    if not needed:
        return skipped("the gateway's controller comes with the platform, which switches it on")
    if any(need.name.startswith("envoy") for need in needed):
        return _envoy(case, needed)
    switched = [need for need in needed if need.name in _SWITCHES]
    verdicts = (_switched(case, need) for need in switched)
    bad = next((verdict for verdict in verdicts if verdict), None)
    return bad or passed(f"{names(need.title for need in switched)} serves InferencePools.")


def _switched(case: Case, need: Prerequisite) -> Verdict | None:
    """What is wrong with the switch of one provider."""
    variables, remedy = _SWITCHES[need.name]
    found = _found(case, need)
    if not found:
        return _nobody(case, need)
    off = [each for each in found if not any((each.env(name) or "").lower() == "true" for name in variables)]
    seen = tuple(
        Evidence(
            object=each.identity, observed=f"{variables[0]} {each.env(variables[0]) or 'not set'}", expected="true"
        )
        for each in off
    )
    if len(off) == len(found):
        return failed(
            f"{need.title} runs without {variables[0]}=true: the route to its pool stays ResolvedRefs=False.",
            seen,
            remedy,
        )
    if off:
        return warned(
            f"{len(off)} of {len(found)} controllers of {need.title} run without {variables[0]}=true.",
            seen,
            "Make sure that the Gateway belongs to the one that has it.",
        )
    return None


def _nobody(case: Case, need: Prerequisite) -> Verdict:
    if simulated(case):
        return skipped("all nodes are simulated, so no controller of a Gateway can run")
    if _uninstalled(case, need):
        return skipped(f"{need.title} is not installed; LD0417 says what is missing")
    return unknown(f"no Deployment of {need.title} was found, so how it was started cannot be read")


def _uninstalled(case: Case, need: Prerequisite) -> bool:
    have = crds(case)
    return any(name not in have for name in need.crds)


def _envoy(case: Case, needed: tuple[Prerequisite, ...]) -> Verdict:
    lost = [need for need in needed if not _available(case, need)]
    if not lost:
        return unknown(
            f"{names(need.title for need in needed)} run; whether Envoy Gateway was told of InferencePool stands in its"
            " ConfigMap, whose content is not read"
        )
    if simulated(case):
        return skipped("all nodes are simulated, so no controller of a Gateway can run")
    if any(_uninstalled(case, need) for need in lost):
        return skipped(f"{names(need.title for need in lost)} is not installed; LD0417 says what is missing")
    return failed(
        f"{names(need.title for need in lost)} is not available; without it no route to an InferencePool is accepted.",
        (), *how(lost),
    )  # fmt: skip


def _pools(route: Mapping[str, Any]) -> Iterator[str]:
    for rule in (route.get("spec") or {}).get("rules") or ():
        for ref in rule.get("backendRefs") or ():
            if ref.get("kind") == "InferencePool":
                yield str(ref.get("name"))


def _pins(case: Case) -> Verdict:
    needed = providers(case)
    if not needed:
        return skipped("the recipe needs no controller of a Gateway but the platform's")
    found = [(need, each) for need in needed for each in _found(case, need)]
    if not found:
        return skipped(f"no Deployment of {names(need.title for need in needed)} was found; LD0501 says so")
    mute = [each for _, each in found if each.version is None]
    old = [
        (need, each) for need, each in found
        if each.version and (want := version(need.version)) and each.version[:2] < want[:2]
    ]  # fmt: skip
    if old:
        return failed(
            f"{names(f'{need.title} {_dotted(each)}' for need, each in old)} is older than the tested set"
            f" ({names(f'{need.title} {need.version}' for need, _ in old)}).",
            tuple(Evidence(object=each.identity, observed=_dotted(each), expected=need.version) for need, each in old),
            "Upgrade it, or send a request through the Gateway before you rely on it.",
        )
    if mute:
        return unknown(f"{names(each.identity for each in mute)} does not say which version it is of")
    return passed(f"{names(f'{need.title} {_dotted(each)}' for need, each in found)}: of the tested set or newer.")


def _dotted(each: Controller) -> str:
    return ".".join(map(str, each.version)) if each.version else "of unknown version"


def _openshift_mesh(case: Case) -> Verdict:
    if not any(need.name == "istio" for need in providers(case)):
        return skipped("the recipe does not need an Istio of its own")
    running = [each for each in controllers(case, ISTIOD) if each.available]
    mesh = [name for name in crds(case) if name.endswith((".maistra.io", ".sailoperator.io"))]
    redhat = [
        each for each in running
        if each.namespace.startswith("openshift-") or "maistra-version" in each.pod_labels
    ]  # fmt: skip
    if not mesh and not redhat:
        return passed("No OpenShift Service Mesh is there that a second Istio would fight with.")
    return failed(
        f"OpenShift Service Mesh is there ({names(mesh[:3]) or names(each.identity for each in redhat)}); a second"
        " Istio would claim the same CRDs, webhooks and GatewayClass.",
        (
            *(Evidence(object=f"CustomResourceDefinition//{name}", observed="there") for name in mesh[:3]),
            *(Evidence(object=each.identity, observed="istiod") for each in redhat),
        ),
        "Use the one that is there: --gateway openshift-service-mesh.",
    )


def _revisions(case: Case) -> Verdict:
    if not any(need.name == "istio" for need in providers(case)):
        return skipped("the recipe does not need Istio")
    found = controllers(case, ISTIOD)
    if not found:
        return skipped("no control plane of Istio was found")
    if len(found) == 1:
        return passed(f"One control plane of Istio is there: {found[0].identity}.")
    marked = [obj for obj in case.rendered("Gateway") if (obj["metadata"].get("labels") or {}).get("istio.io/rev")]
    spaces = [item for item in case.section("namespaces") if item["metadata"]["name"] == case.namespace]
    if marked or any("istio.io/rev" in (item["metadata"].get("labels") or {}) for item in spaces):
        return passed(f"{len(found)} control planes of Istio are there, and the Gateway's revision is named.")
    revisions = [each.labels.get("istio.io/rev") or each.pod_labels.get("istio.io/rev") or "none" for each in found]
    return failed(
        f"{len(found)} control planes of Istio are there (revisions {names(revisions)}); which one makes the Gateway is"
        " not said.",
        tuple(
            Evidence(object=each.identity, observed=f"istio.io/rev {rev}")
            for each, rev in zip(found, revisions, strict=True)
        ),
        "Label the namespace istio.io/rev with the revision that has the inference extension.",
        f"$ kubectl label namespace {case.namespace} istio.io/rev=REVISION",
    )


def _gke(case: Case) -> Verdict:
    wanted = [name for name in class_names(case) if name.startswith(_GKE_CLASSES)]
    if not wanted:
        return skipped("the recipe makes no Gateway of GKE")
    have = {str(item["metadata"]["name"]) for item in case.section("gateway-classes")}
    if not any(name.startswith(_GKE_CLASSES) for name in have):
        return failed(
            "No GatewayClass of GKE is there: Gateway API is off in this cluster.",
            tuple(Evidence(object=f"GatewayClass//{name}", observed="absent") for name in wanted),
            "$ gcloud container clusters update CLUSTER --location REGION --gateway-api=standard",
        )
    return passed(
        "Gateway API of GKE is on. A regional Gateway also needs a proxy-only subnet in this region, which cannot be"
        " seen from inside the cluster: gcloud compute networks subnets list --filter=purpose=REGIONAL_MANAGED_PROXY"
    )


CHECKS: Final = (
    Check(
        code="LD0501",
        slug="gateway-class",
        title="The GatewayClass is there and accepted",
        severity=Severity.ERROR,
        rule=_class,
        needs=("gateway-classes", "deployments"),
        why="A Gateway whose class nobody has accepted is never programmed.",
        remedy="Install the controller of the class, or take another gateway.",
        sources=("https://gateway-api.sigs.k8s.io/reference/spec/#gatewayclass",),
    ),
    Check(
        code="LD0502",
        slug="inference-extension-on",
        title="The gateway's controller knows InferencePools",
        severity=Severity.ERROR,
        rule=_extension,
        needs=("deployments", "crds"),
        why="Istio and agentgateway serve InferencePools only when told to; else the route stays ResolvedRefs=False and"
        " clients get 500.",
        remedy="Switch the inference extension on.",
        sources=(
            "https://istio.io/latest/docs/tasks/traffic-management/ingress/gateway-api-inference-extension/",
            "https://github.com/kubernetes-sigs/gateway-api-inference-extension/issues/1344",
        ),
    ),
    Check(
        code="LD0503",
        slug="gateway-provider-version",
        title="The gateway's controller is of the tested set",
        severity=Severity.WARNING,
        rule=_pins,
        needs=("deployments",),
        why="The versions of paths/versions.yaml are tested together; patch releases of providers have broken routes to"
        " InferencePools before.",
        remedy="Upgrade the controller.",
        sources=("https://github.com/kgateway-dev/kgateway/issues/11239",),
    ),
    Check(
        code="LD0504",
        slug="openshift-service-mesh",
        title="No OpenShift Service Mesh beside Istio",
        severity=Severity.ERROR,
        rule=_openshift_mesh,
        needs=("deployments", "crds"),
        why="OpenShift's ingress operator runs an Istio of its own for Gateway API; an Istio installed beside it claims"
        " the same cluster-wide objects.",
        remedy="Take --gateway openshift-service-mesh.",
        sources=(
            "https://docs.redhat.com/en/documentation/openshift_container_platform/4.19/html/ingress_and_load_balancing/configuring-ingress-cluster-traffic",
        ),
    ),
    Check(
        code="LD0505",
        slug="istio-revisions",
        title="It is clear which Istio makes the Gateway",
        severity=Severity.WARNING,
        rule=_revisions,
        needs=("deployments", "namespaces"),
        why="With several control planes a Gateway without the label istio.io/rev goes to the default one, which may"
        " not have the inference extension.",
        remedy="Label the namespace, or the Gateway, with a revision.",
        sources=("https://istio.io/latest/docs/setup/upgrade/canary/",),
    ),
    Check(
        code="LD0509",
        slug="gke-gateway",
        title="GKE's Gateway controller is on",
        severity=Severity.NOTE,
        rule=_gke,
        needs=("gateway-classes",),
        why="GKE makes its GatewayClasses once Gateway API is on; a regional Gateway needs a proxy-only subnet.",
        remedy="Switch Gateway API on, and make the subnet.",
        sources=("https://cloud.google.com/kubernetes-engine/docs/how-to/deploying-gateways",),
    ),
)
