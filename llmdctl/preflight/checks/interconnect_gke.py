"""Networks that pods attach by name, and what Google's machines and drivers bring for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.interconnect import NO_RDMA, NO_RECIPE, card_hosts, rdma_pods, seen
from llmdctl.preflight.crd import version
from llmdctl.preflight.interconnect import cards, claims, networks
from llmdctl.preflight.node import Node
from llmdctl.preflight.phrases import listed
from llmdctl.preflight.rdma import GKE_NETWORK
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, warned
from llmdctl.preflight.workload import PodTemplate

_INSTANCE: Final = "node.kubernetes.io/instance-type"
_CLASSES: Final = (
    ("a3-highgpu", "GPUDirect-TCPX"),
    ("a3-megagpu", "GPUDirect-TCPXO"),
    ("a3-ultragpu", "RDMA"),
    ("a4-highgpu", "RDMA"),
    ("a4x-", "RDMA"),
)
"""Beginning of a machine type -> how its GPUs reach the network.

https://cloud.google.com/kubernetes-engine/docs/how-to/gpu-bandwidth-gpudirect-tcpx
https://github.com/kubernetes-sigs/dranet (cloud provider gce)
"""

_GIB: Final = (1, 1, 0)
_VLLM: Final = (0, 11, 0)


def _attached(case: Case) -> Verdict:
    if not case.objects:
        return skipped(NO_RECIPE)
    wanted = {name: template for template in case.workloads for name in networks(template)}
    if not wanted:
        return skipped("no pod attaches an RDMA network of GKE; LD0415 judges those of Multus")
    there = {item["metadata"]["name"] for item in case.section("network-attachments") if item.get("kind") == "Network"}
    missing = {name: template for name, template in wanted.items() if name not in there}
    if missing:
        return failed(
            f"{len(missing)} of {len(wanted)} networks that pods attach do not exist: {listed(missing)}.",
            [Evidence(object=each.identity, observed=f"attaches {name}") for name, each in missing.items()],
            "Make them as GKE's guide for the machines does, or name the networks that there are in the annotation"
            " networking.gke.io/interfaces.",
        )
    return _forms(case) or passed(f"All {len(wanted)} networks that pods attach exist.")


def _forms(case: Case) -> Verdict | None:
    """Nodes that offer a network in neither form, and pods that ask for the form that nodes do not offer."""
    for template in case.workloads:
        nodes = card_hosts(case, [template])
        for name in networks(template):
            having = [
                node for node in nodes if {f"{GKE_NETWORK}{name}", f"{GKE_NETWORK}{name}.IP"} & {*node.allocatable}
            ]
            if nodes and not having:
                return failed(
                    f"0 of {len(nodes)} candidate nodes are attached to the network {name}.",
                    seen(nodes[:5], {node.name: "not attached" for node in nodes}, f"{GKE_NETWORK}{name}[.IP]"),
                    "Make the node pool with an --additional-node-network for each, as GKE's guide for it says.",
                )
        for resource in (each for each in template.requests if each.startswith(GKE_NETWORK)):
            if nodes and not any(node.allocatable.get(resource) for node in nodes):
                other = resource.removesuffix(".IP") if resource.endswith(".IP") else f"{resource}.IP"
                return failed(
                    f"Pods ask for {resource}; nodes offer {other} instead."
                    if any(node.allocatable.get(other) for node in nodes)
                    else f"Pods ask for {resource}, which no candidate node offers.",
                    seen(nodes[:5], {node.name: f"no {resource}" for node in nodes}),
                    f"Set {resource} to 0: GKE's webhook asks for both forms, and nodes offer one.",
                )
    return None


def _machine(node: Node) -> str:
    """How the GPUs of a Google machine reach the network; empty for any other."""
    kind = node.labels.get(_INSTANCE, "")
    return next((way for beginning, way in _CLASSES if kind.startswith(beginning)), "")


def _gpudirect(case: Case) -> Verdict:
    if not case.objects:
        return skipped(NO_RECIPE)
    users = rdma_pods(case)
    if not users:
        return skipped(NO_RDMA)
    google = [node for node in card_hosts(case, users) if _machine(node)]
    if not google:
        return skipped("no candidate node is a Google machine of the series A3, A4 or A4X")
    wrong = [node for node in google if _machine(node) != "RDMA"]
    if wrong:
        return failed(
            f"{len(wrong)} of {len(google)} candidate nodes have {_machine(wrong[0])} and no RDMA cards.",
            seen(wrong[:5], {node.name: f"{node.labels[_INSTANCE]}: {_machine(node)}" for node in wrong}, "RDMA"),
            "Take a3-ultragpu, a4-highgpu or a4x machines, or --fabric none on these.",
        )
    return passed(f"All {len(google)} candidate nodes are machines with RDMA cards.")


def _gib(case: Case) -> Verdict:
    if not case.objects:
        return skipped(NO_RECIPE)
    users = rdma_pods(case)
    if not users:
        return skipped(NO_RDMA)
    if not any(_machine(node) == "RDMA" for node in card_hosts(case, users)):
        return skipped("no candidate node is a Google machine with RDMA cards")
    if not any(_new_nccl(template) for template in users):
        return skipped("no pod with RDMA cards runs vLLM 0.11 or newer")
    installed = next((found for item in case.section("daemon-sets") for found in _installers(item)), None)
    return (
        _judged(*installed) if installed else skipped("no DaemonSet installs gIB; NCCL of the engine's image is used")
    )


def _judged(image: str, name: str) -> Verdict:
    tag = version(image.partition("@")[0].rpartition(":")[2])
    if tag is None:
        return warned(f"{name} installs {image}, which states no version.", (), "Pin gIB 1.1.0 or newer.")
    said = f"{name} installs gIB {'.'.join(map(str, tag))}"
    if tag >= _GIB:
        return passed(f"{said}.")
    return failed(
        f"{said}; vLLM from 0.11 on has NCCL 2.27, which needs 1.1.0.",
        [Evidence(object=name, observed=image, expected="v1.1.0 or newer")],
        "Apply Google's newer nccl-rdma-installer and restart the pods.",
    )


def _new_nccl(template: PodTemplate) -> bool:
    """Whether it runs vLLM, and no image says that it is older than 0.11."""
    if template.labels.get("llm-d.ai/engine-type") != "vllm":
        return False
    images = (str(row.get("image", "")).partition("@")[0] for row in template.spec.get("containers") or ())
    tags = (version(image.rpartition(":")[2]) for image in images if "/vllm-openai:" in image)
    return all(tag is None or tag >= _VLLM for tag in tags)


def _installers(item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    spec = (((item.get("spec") or {}).get("template") or {}).get("spec")) or {}
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        if "nccl-plugin-gib" in str(container.get("image", "")):
            yield container["image"], f"DaemonSet/{item['metadata'].get('namespace', '')}/{item['metadata']['name']}"


def _dranet(case: Case) -> Verdict:
    if not case.objects:
        return skipped(NO_RECIPE)
    wanting = [(template, claims(case, template)) for template in case.workloads]
    wanting = [(template, names) for template, names in wanting if names]
    if not wanting:
        return skipped("no pod claims a card by DRA")
    there = {item["metadata"]["name"] for item in case.section("device-classes")}
    lacking = sorted({name for _, names in wanting for name in names} - there)
    if lacking:
        return failed(
            f"The device class {listed(lacking)} does not exist: no claim for a card is ever satisfied.",
            [Evidence(object=template.identity, observed=f"claims {', '.join(names)}") for template, names in wanting],
            "On GKE make the node pool with --accelerator-network-profile=auto on a cluster with Dataplane V2;"
            " elsewhere install DRANET and its device class.",
        )
    nodes = card_hosts(case, [template for template, _ in wanting])
    without = [node for node in nodes if not cards(case, node)]
    if nodes and len(without) == len(nodes):
        return failed(
            f"0 of {len(nodes)} candidate nodes publish RDMA cards in a ResourceSlice.",
            seen(
                without[:5],
                {node.name: _driver_label(node) for node in without},
                "cards of mrdma.google.com or dra.net",
            ),
            "On GKE give the pool the label cloud.google.com/gke-networking-dra-driver=true.",
        )
    if not nodes:
        return skipped("no node publishes the accelerators that the pods claim")
    return passed(f"{len(nodes) - len(without)} of {len(nodes)} candidate nodes publish RDMA cards.")


def _driver_label(node: Node) -> str:
    key = "cloud.google.com/gke-networking-dra-driver"
    return f"label {key} is {node.labels.get(key, 'absent')}"


CHECKS: Final = (
    Check(
        code="LD0705",
        slug="attached-networks",
        title="The RDMA networks that pods attach on GKE exist, and nodes are attached to them",
        severity=Severity.ERROR,
        rule=_attached,
        needs=("network-attachments",),
        why="A pod that names a network that does not exist never gets its network, and hangs in ContainerCreating."
        " GKE's webhook asks for networking.gke.io.networks/NAME and NAME.IP; nodes offer one of the two.",
        remedy="Make the Network, or name one that exists.",
        sources=("https://cloud.google.com/kubernetes-engine/docs/how-to/setup-multinetwork-support-for-pods",),
    ),
    Check(
        code="LD0706",
        slug="gpudirect-class",
        title="Google machines have RDMA cards, not GPUDirect over TCP",
        severity=Severity.WARNING,
        rule=_gpudirect,
        needs=("nodes", "resource-slices"),
        why="a3-highgpu and a3-megagpu reach the network by GPUDirect-TCPX and TCPXO, which NIXL and"
        " NVSHMEM cannot use.",
        remedy="Take a3-ultragpu, a4-highgpu or a4x machines.",
        sources=("https://cloud.google.com/kubernetes-engine/docs/how-to/gpu-bandwidth-gpudirect-tcpx",),
    ),
    Check(
        code="LD0713",
        slug="nccl-gib",
        title="NCCL's plugin for Google's cards fits the engine",
        severity=Severity.WARNING,
        rule=_gib,
        needs=("nodes", "daemon-sets", "resource-slices"),
        why="vLLM from 0.11 on brings NCCL 2.27, which gIB supports from its image v1.1.0 on.",
        remedy="Apply Google's current nccl-rdma-installer.",
        sources=(
            "https://github.com/llm-d/llm-d/blob/main/docs/infrastructure/providers/gke/README.md",
            "https://github.com/GoogleCloudPlatform/container-engine-accelerators/pull/511",
        ),
    ),
    Check(
        code="LD0714",
        slug="dranet",
        title="The cards that pods claim by DRA are published",
        severity=Severity.ERROR,
        rule=_dranet,
        needs=("nodes", "device-classes", "resource-slices"),
        why="A claim names a device class. Without the class, or without a driver that publishes cards of it, the pod"
        " stays pending for ever.",
        remedy="Install DRANET, or on GKE make the node pool with its managed one.",
        sources=(
            "https://cloud.google.com/kubernetes-engine/docs/how-to/allocate-network-resources-dra",
            "https://github.com/kubernetes-sigs/dranet",
        ),
    ),
)
