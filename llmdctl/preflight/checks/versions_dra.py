"""Does this cluster serve device claims, and does it map plain requests to them where it must?"""

from __future__ import annotations

from typing import Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.model.quantity import ACCELERATORS
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.versions import server_minor, spoken
from llmdctl.preflight.slices import pools
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, warned

_GROUP: Final = "resource.k8s.io/"
_MAPPED: Final = (1, 34)  # DRAExtendedResource begins, off by default
_DEFAULT: Final = (1, 36)  # it is beta
_KEP: Final = "https://www.kubernetes.dev/resources/keps/5004/"
_DRA_DOCS: Final = "https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/"


def _served(case: Case) -> Verdict:
    claims = [obj for obj in case.objects if str(obj.get("apiVersion", "")).startswith(_GROUP)]
    if not claims:
        return skipped("no device claim is rendered")
    served = {(str(item.get("apiVersion")), str(item.get("kind"))) for item in case.section("apis")}
    lacking = [obj for obj in claims if (obj["apiVersion"], obj["kind"]) not in served]
    if not lacking:
        return passed(f"{claims[0]['apiVersion']} is served.")
    others = sorted({version for version, _ in served if version.startswith(_GROUP)})
    have = f"only {', '.join(others)}" if others else "no version of resource.k8s.io"
    return failed(
        f"{len(lacking)} claims are rendered in {lacking[0]['apiVersion']}, and the server has {have}.",
        [
            Evidence(object=f"{obj['kind']}/{obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}",
                     observed=f"rendered in {obj['apiVersion']}", expected=have)
            for obj in lacking
        ],
        "Upgrade to Kubernetes 1.34 or later, where resource.k8s.io/v1 is on by default, or choose a --fabric without"
        " claims.",
    )  # fmt: skip


def _mapped(case: Case) -> Verdict:
    asked = [name for name in ACCELERATORS if any(template.requests.get(name) for template in case.workloads)]
    if not asked:
        return skipped("no accelerator is asked for as a plain resource")
    uncounted = [name for name in asked if not any(node.allocatable.get(name) for node in case.nodes)]
    if not uncounted:
        return skipped(f"nodes count {', '.join(asked)} themselves, by a device plugin")
    publishers = sorted({pool.driver for pool in pools(case.section("resource-slices")) if pool.devices})
    if not publishers:
        return skipped("no node publishes devices as ResourceSlices")
    maps = [
        (
            str((item.get("spec") or {}).get("extendedResourceName", "")),
            str((item.get("metadata") or {}).get("name", "")),
        )
        for item in case.section("device-classes")
    ]
    classes = dict(maps)
    unmapped = [name for name in uncounted if name not in classes]
    if unmapped:
        return failed(
            f"Pods ask for {', '.join(unmapped)}, which no node counts: devices are published by"
            f" {', '.join(publishers)} alone, and no DeviceClass maps the name to them.",
            [
                Evidence(object=f"DeviceClass//{name}", observed=f"extendedResourceName: {mapped or 'none'}")
                for mapped, name in maps
            ],
            f"Set spec.extendedResourceName: {unmapped[0]} in the driver's DeviceClass (Kubernetes 1.36 and later), or"
            " run the device plugin beside the driver.",
        )
    return _gated(case, ", ".join(f"{name} by DeviceClass {classes[name]}" for name in uncounted))


def _gated(case: Case, names: str) -> Verdict:
    """Whether the server honours a mapping that is there."""
    have = server_minor(case)
    if have < _MAPPED:
        return failed(
            f"Kubernetes {spoken(have)} does not know extendedResourceName (from 1.34 on): {names} is not mapped.",
            (),
            "Upgrade the cluster, or run the device plugin beside the driver.",
        )
    if have < _DEFAULT:
        return warned(
            f"{names} is mapped where the gate DRAExtendedResource is on; Kubernetes {spoken(have)} has it off by"
            " default.",
            (),
            "Turn on DRAExtendedResource in the API server, the scheduler and the kubelets, or upgrade to 1.36.",
        )
    return passed(f"{names} is mapped.")


CHECKS: Final = (
    Check(
        code="LD0304",
        slug="claim-api",
        title="Device claims are served as rendered",
        severity=Severity.ERROR,
        rule=_served,
        needs=("apis",),
        why="Claims were v1beta1 and v1beta2 before Kubernetes 1.34 and off by default; they are v1 now.",
        remedy="Upgrade to Kubernetes 1.34 or later.",
        sources=(_DRA_DOCS, "https://github.com/NVIDIA/k8s-dra-driver-gpu/blob/main/docs/prerequisites.md"),
    ),
    Check(
        code="LD0305",
        slug="mapped-claims",
        title="Plain requests reach devices that are published only",
        severity=Severity.ERROR,
        rule=_mapped,
        needs=("nodes",),
        why="A node whose devices are handed out by a DRA driver alone has none of them in its allocatable resources;"
        " a pod that asks for nvidia.com/gpu then never fits, unless a DeviceClass maps the name.",
        remedy="Set extendedResourceName in the DeviceClass, or run the device plugin too.",
        sources=(_KEP, _DRA_DOCS),
    ),
)
