"""Do the nodes work: drivers, plugins, health conditions, upgrades under way?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llmdctl.model.check import Evidence, Outcome
from llmdctl.model.finding import Severity
from llmdctl.preflight.candidates import SHOWN, related, some
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.hardware import NVIDIA, READS, local
from llmdctl.preflight.nodefindings import missing_devices
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, unknown, warned

_GFD: Final = "https://github.com/NVIDIA/k8s-device-plugin/blob/main/docs/gpu-feature-discovery/README.md"
_OPERATOR: Final = "https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/"
_VALIDATOR: Final = "nvidia-operator-validator"


def _shape(case: Case) -> Verdict:
    catalogue = case.catalogue
    nodes = [each for each in related(case) if each.device.count]
    if not nodes:
        return skipped("no node offers the accelerator")
    lacking = [(each, text) for each in nodes if (text := missing_devices(each.node, each.device, catalogue))]
    if not lacking:
        return passed(f"{some(nodes)} offer every device that their machine type has, as far as it is known.")
    wanted = max((each.count for each in case.servers), default=0)
    useless = wanted and all(each.device.count < wanted for each in nodes)
    make = failed if useless else warned
    return make(
        f"{len(lacking)} of {some(nodes)} lack devices: {lacking[0][1]}.",
        (each.saw(text) for each, text in lacking[:SHOWN]),
        "Cordon the node and have it replaced: a device has dropped off the bus, or its plugin holds it back.",
        f"$ kubectl cordon {lacking[0][0].node.name}",
    )


def _healthy(case: Case) -> Verdict:
    found = local(
        "LD0610",
        "Drain the nodes and have them replaced or repaired.",
        "$ kubectl describe node NODE",
        good="No health condition speaks against the nodes",
    )(case)
    silent = [each for each in related(case) if not each.node.conditions]
    if found.outcome is Outcome.PASS and silent:
        return unknown(
            f"{some(silent)} report no condition at all.", (each.saw("no conditions") for each in silent[:SHOWN])
        )
    return found


def _validated(case: Case) -> Verdict:
    names = {each.node.name for each in related(case)}
    own = [pod for pod in case.section("pods") if (pod["metadata"].get("labels") or {}).get("app") == _VALIDATOR]
    pods = [pod for pod in own if (pod.get("spec") or {}).get("nodeName") in names]
    if not pods:
        return skipped("no validator of the GPU operator runs on the nodes")
    bad = [pod for pod in pods if not _ready(pod)]
    if not bad:
        return passed(f"The GPU operator's validator is ready on {some(pods)}.")
    return failed(
        f"The GPU operator's validator is not ready on {len(bad)} of {some(pods)}.",
        (
            Evidence(
                object=f"Pod/{pod['metadata'].get('namespace', '')}/{pod['metadata'].get('name', '')}",
                observed=f"not ready on {pod['spec']['nodeName']}",
                expected="Ready",
            )
            for pod in bad[:SHOWN]
        ),
        "The log of its init containers names the component that fails.",
        f"$ kubectl logs -n {bad[0]['metadata'].get('namespace')} {bad[0]['metadata'].get('name')} --all-containers",
    )


def _ready(pod: Mapping[str, Any]) -> bool:
    rows = (pod.get("status") or {}).get("conditions") or ()
    return any(row.get("type") == "Ready" and row.get("status") == "True" for row in rows)


CHECKS: Final = (
    Check(
        code="LD0607",
        slug="feature-discovery",
        title="NVIDIA nodes tell their product",
        severity=Severity.WARNING,
        rule=local(
            "LD0607",
            "Install GPU feature discovery: it is a part of the GPU operator and of the device plugin's chart.",
            good="Every NVIDIA node tells its product",
            of=NVIDIA,
        ),
        needs=READS,
        why="Without the label nvidia.com/gpu.product a node selector of the recipe may match nothing, and variant"
        " and memory"
        " are guessed from the catalogue. Labels of GKE, Karpenter, AKS and CoreWeave tell the variant too.",
        remedy="Install GPU feature discovery.",
        sources=(_GFD,),
    ),
    Check(
        code="LD0608",
        slug="device-plugin",
        title="Devices that are there can be allocated",
        severity=Severity.ERROR,
        rule=local(
            "LD0608",
            "See what the driver and the device plugin on the node say.",
            "$ kubectl get pods -A -o wide --field-selector spec.nodeName=NODE | grep -iE 'nvidia|device-plugin'",
            good="No device is present without being allocatable",
            every_node=True,
        ),
        needs=READS,
        why="A GPU that the PCI bus shows and that neither the kubelet nor a ResourceSlice offers has no working"
        " driver or"
        " plugin. A node that only DRA serves looks the same until its slices are read.",
        remedy="Repair the driver or the device plugin of the node.",
        sources=(_OPERATOR, "https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/"),
    ),
    Check(
        code="LD0609",
        slug="expected-devices",
        title="Nodes offer every device of their machine type",
        severity=Severity.ERROR,
        rule=_shape,
        needs=READS,
        why="A machine with eight GPUs of which seven are allocatable has a broken one; a pod that wants eight"
        " never starts"
        " there.",
        remedy="Replace the node.",
        sources=("https://github.com/NVIDIA/aicr/issues/1858", "https://karpenter.sh/docs/reference/instance-types/"),
    ),
    Check(
        code="LD0610",
        slug="node-health",
        title="No health condition speaks against the nodes",
        severity=Severity.ERROR,
        rule=_healthy,
        needs=READS,
        why="Agents of AKS, EKS and others write what they find about GPUs, links and disks as conditions of the"
        " node. The"
        " scheduler does not read them: a pod still lands there, and fails.",
        remedy="Drain the node.",
        sources=(
            "https://learn.microsoft.com/azure/aks/gpu-health-monitoring",
            "https://docs.aws.amazon.com/eks/latest/userguide/node-health.html",
        ),
    ),
    Check(
        code="LD0617",
        slug="driver-upgrade",
        title="No driver is being replaced",
        severity=Severity.WARNING,
        rule=local("LD0617", "Wait until the upgrade is done.", good="No driver is being replaced"),
        needs=READS,
        why="An operator that upgrades a driver drains the node and restarts what holds the GPU.",
        remedy="Wait, or pause the operator's upgrades.",
        sources=("https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/gpu-driver-upgrades.html",),
    ),
    Check(
        code="LD0618",
        slug="workload-config",
        title="The GPUs are meant for containers",
        severity=Severity.ERROR,
        rule=local(
            "LD0618",
            "Label the nodes for containers, or choose others.",
            "$ kubectl label node NODE nvidia.com/gpu.workload.config=container --overwrite",
            good="No node keeps its GPUs for virtual machines",
            of=NVIDIA,
            every_node=True,
        ),
        needs=READS,
        why="With nvidia.com/gpu.workload.config=vm-passthrough or vm-vgpu the GPU operator gives the GPUs to"
        " virtual machines.",
        remedy="Use nodes whose GPUs are for containers.",
        sources=("https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/gpu-operator-kubevirt.html",),
    ),
    Check(
        code="LD0619",
        slug="operator-validator",
        title="The GPU operator's validator is ready",
        severity=Severity.WARNING,
        rule=_validated,
        needs=(*READS, "pods"),
        why="The validator checks driver, toolkit, plugin and a CUDA sample on each node; while it is not ready,"
        " one of them"
        " does not work.",
        remedy="Read its log.",
        sources=(_OPERATOR,),
    ),
)
