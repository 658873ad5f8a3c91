"""Gateway API and its inference extension: are their kinds served, of which release and channel, and what is left?"""

from __future__ import annotations

from typing import Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.crd import (
    Crd,
    Kind,
    absent,
    concerned,
    evidence,
    how,
    lacking,
    missing_evidence,
    names,
    of_group,
    oldest_bundle,
    prerequisites,
    rendered_kinds,
    version,
)
from llmdctl.preflight.phrases import all_of, counted
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, warned

GATEWAY: Final = "gateway.networking.k8s.io"
INFERENCE: Final = "inference.networking.k8s.io"
INFERENCE_ALPHA: Final = "inference.networking.x-k8s.io"
_CORE: Final = tuple(Kind(group=GATEWAY, version="v1", name=name) for name in ("GatewayClass", "Gateway", "HTTPRoute"))
"""What every controller of Gateway API watches, whatever a recipe renders."""


def _gateway_api(case: Case) -> Verdict:
    if not concerned(case, GATEWAY):
        return skipped("the recipe has nothing of Gateway API")
    needed = prerequisites(case, GATEWAY)
    kinds = tuple(dict.fromkeys((*rendered_kinds(case, GATEWAY), *_CORE)))
    missing = lacking(case, kinds)
    if missing:
        said = f"{len(missing)} of {len(kinds)} kinds of Gateway API that are needed are not served: {names(missing)}."
        return failed(said, missing_evidence(missing), *how(needed.values()))
    return _bundle(case, GATEWAY, "Gateway API") or _others(case)


def _others(case: Case) -> Verdict:
    extra = absent(case, GATEWAY)
    found = of_group(case, GATEWAY)
    if extra:
        return warned(
            f"What is rendered is served. Not there of the pinned release: {names(extra)}.",
            tuple(Evidence(object=f"CustomResourceDefinition//{name}", observed="absent") for name in extra),
            *how(extra.values()),
        )
    dated = oldest_bundle(found)
    return passed(
        f"Gateway API is there: {counted(len(found), 'CRD')}{f', {dated[1].bundle} or newer' if dated else ''}."
    )


def _inference(case: Case) -> Verdict:
    if not concerned(case, INFERENCE):
        return skipped("the recipe has nothing of the Gateway API inference extension")
    missing = lacking(case, rendered_kinds(case, INFERENCE))
    if not missing and absent(case, INFERENCE):
        missing = (Kind(group=INFERENCE, version="v1", name="InferencePool"),)
    if missing:
        alpha = [crd for crd in of_group(case, INFERENCE_ALPHA) if crd.kind == "InferencePool"]
        note = f" Only {alpha[0].name} is there, another API group." if alpha else ""
        return failed(
            f"{names(missing)} is not served.{note}",
            (*missing_evidence(missing), *evidence(alpha, lambda crd: f"serves {names(crd.served)}")),
            *how(prerequisites(case, INFERENCE).values()),
        )
    return _bundle(case, INFERENCE, "the inference extension") or passed(
        f"InferencePool is served{_of(of_group(case, INFERENCE))}."
    )


def _of(found: tuple[Crd, ...]) -> str:
    bundles = sorted({crd.bundle for crd in found if crd.bundle})
    return f", bundle {names(bundles)}" if bundles else "; its CRD does not say of which release"


def _bundle(case: Case, group: str, title: str) -> Verdict | None:
    """A warning where CRDs are of an older minor release than the pinned one."""
    pinned = [(known, needed) for needed in prerequisites(case, group).values() if (known := version(needed.version))]
    dated = oldest_bundle(of_group(case, group))
    if not pinned or not dated or dated[0][:2] >= pinned[0][0][:2]:
        return None
    crd = dated[1]
    return warned(
        f"{title} {crd.bundle} is older than {pinned[0][1].version}, which the recipe is made for"
        f"{f'; it belongs to {crd.owner}' if crd.owner else ''}.",
        (Evidence(object=crd.identity, observed=crd.bundle, expected=f"v{pinned[0][1].version}"),),
        f"Have {crd.owner} upgrade it." if crd.owner else "Upgrade it when the other users of these CRDs agree.",
    )


def _channel(case: Case) -> Verdict:
    if not concerned(case, GATEWAY):
        return skipped("the recipe has nothing of Gateway API")
    found = [crd for crd in of_group(case, GATEWAY) if crd.bundle]
    channels = sorted({crd.channel for crd in found})
    bundles = sorted({crd.bundle for crd in found})
    seen = evidence(found, lambda crd: f"{crd.bundle}, {crd.channel or 'no'} channel")
    if len(channels) > 1:
        return failed(
            f"CRDs of Gateway API are of different channels: {names(each or 'none' for each in channels)}.",
            seen,
            "Find out who installed which (their managedFields tell), and install all of one channel of one release.",
        )
    if len(bundles) > 1:
        return failed(
            f"CRDs of Gateway API are of different releases: {names(bundles)}.", seen,
            "Install all of one release: their fields refer to each other.",
        )  # fmt: skip
    if not found:
        return passed("No CRD of Gateway API is there that could disagree.")
    return passed(f"{all_of(len(found), 'CRD')} of Gateway API: {bundles[0]}, {channels[0]} channel.")


def _alpha(case: Case) -> Verdict:
    if not rendered_kinds(case, INFERENCE):
        return skipped("the recipe has no InferencePool")
    old = [item for item in case.section("inference-pools") if str(item.get("apiVersion")).startswith(INFERENCE_ALPHA)]
    if old:
        seen = tuple(
            Evidence(
                object=f"InferencePool/{item['metadata'].get('namespace', '')}/{item['metadata']['name']}",
                observed=str(item.get("apiVersion")),
                expected=f"{INFERENCE}/v1",
            )
            for item in old
        )
        return failed(
            f"{counted(len(old), 'InferencePool')} of the alpha API group left. Gateways of today take only v1; two"
            " pools of the two groups may select the same pods.",
            seen,
            "Make each anew as inference.networking.k8s.io/v1, point the routes to it, then delete the old one.",
            "$ kubectl get inferencepools.inference.networking.x-k8s.io --all-namespaces",
        )
    left = [crd.name for crd in of_group(case, INFERENCE_ALPHA) if crd.kind in ("InferencePool", "InferenceModel")]
    return passed(f"No InferencePool of the alpha group exists{f'; {names(left)} is left over' if left else ''}.")


CHECKS: Final = (
    Check(
        code="LD0401",
        slug="gateway-api-crds",
        title="The kinds of Gateway API are served",
        severity=Severity.ERROR,
        rule=_gateway_api,
        needs=("crds",),
        why="A route or Gateway whose kind is not served cannot be made at all; with CRDs of an older release the API"
        " server drops fields that it does not know, without a word.",
        remedy="Install the standard channel of the pinned release, or have the platform upgrade its own.",
        sources=("https://gateway-api.sigs.k8s.io/concepts/versioning/",),
    ),
    Check(
        code="LD0404",
        slug="gateway-api-channel",
        title="The CRDs of Gateway API are of one channel and one release",
        severity=Severity.WARNING,
        rule=_channel,
        needs=("crds",),
        why="Charts of controllers bring CRDs of the experimental channel along; mixed with the standard one, kinds"
        " refer to fields that the other does not have, and the next upgrade is refused by Gateway API's own policy.",
        remedy="Install every CRD of Gateway API from one file of one release.",
        sources=(
            "https://gateway-api.sigs.k8s.io/concepts/versioning/",
            "https://github.com/envoyproxy/gateway/issues/3387",
        ),
    ),
    Check(
        code="LD0405",
        slug="inference-pool-crd",
        title="InferencePool v1 is served",
        severity=Severity.ERROR,
        rule=_inference,
        needs=("crds",),
        why="The gateway and the endpoint picker both find the model servers through the InferencePool.",
        remedy="Install v1-manifests.yaml of the inference extension. GKE brings it from 1.34.0-gke.1626000 on.",
        sources=(
            "https://github.com/kubernetes-sigs/gateway-api-inference-extension/releases/tag/v1.5.0",
            "https://cloud.google.com/kubernetes-engine/docs/how-to/deploy-gke-inference-gateway",
        ),
    ),
    Check(
        code="LD0406",
        slug="alpha-inference-pools",
        title="No InferencePool of the alpha API group is left",
        severity=Severity.WARNING,
        rule=_alpha,
        needs=("crds", "inference-pools"),
        why="Until 1.0 InferencePool was of the group inference.networking.x-k8s.io. A pool of that group beside one of"
        " v1 may select the same pods, and a route to it fails with InvalidKind where the gateway knows v1 only.",
        remedy="Migrate the pools and their routes to inference.networking.k8s.io/v1.",
        sources=(
            "https://gateway-api-inference-extension.sigs.k8s.io/guides/ga-migration/",
            "https://github.com/kserve/kserve/issues/4833",
        ),
    ),
)
