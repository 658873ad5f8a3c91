"""Whether drivers, limits and the place of nodes in the network let RDMA cards work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.interconnect import NO_HOST, NO_RDMA, NO_RECIPE, card_hosts, rdma_pods, seen
from llmdctl.preflight.controller import simulated
from llmdctl.preflight.interconnect import asked, claims, multi_node
from llmdctl.preflight.node import Node
from llmdctl.preflight.phrases import listed
from llmdctl.preflight.rdma import EFA
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, unknown, warned
from llmdctl.preflight.workload import PodTemplate

_WAIT: Final = "network.nvidia.com/operator.mofed.wait"
_FABRICS: Final = ("ib.coreweave.cloud/fabric", "backend.coreweave.cloud/fabric")
"""Nodes with different values cannot reach each other's cards.

https://docs.coreweave.com/products/networking/hpc-interconnect/infiniband-roce-labels
"""

_BLOCKS: Final = (
    "ib.coreweave.cloud/superpod",
    "cloud.google.com/gce-topology-block",
    "topology.k8s.aws/network-node-layer-2",
    "oci.oraclecloud.com/host.network_block_id",
    "fabric.topograph.run/tier-1",
)
"""Nodes with different values are further apart.

https://github.com/llm-d/llm-d/blob/main/docs/infrastructure/providers/gke/README.md
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/how-ec2-instance-topology-works.html
https://docs.oracle.com/en-us/iaas/Content/ContEng/Tasks/contengrunninggpunodes.htm
https://github.com/NVIDIA/topograph
"""

_LOW_KIB: Final = 8192
"""systemd's default limit, with which NCCL falls back to TCP: https://github.com/NVIDIA/nvidia-container-toolkit/issues/2037"""

_GKE_CLASS: Final = "mrdma.google.com"
"""Cards of GKE's DRANET; llm-d's manifests for it run without IPC_LOCK:
https://github.com/llm-d/llm-d/tree/main/guides/pd-disaggregation/modelserver/gpu/vllm/gke
"""

_EXCLUSIVE: Final = (
    "leaderworkerset.sigs.k8s.io/exclusive-topology",
    "leaderworkerset.sigs.k8s.io/subgroup-exclusive-topology",
    "kueue.x-k8s.io/podset-required-topology",
)


def _driver_ready(case: Case) -> Verdict:
    users = rdma_pods(case)
    if not case.objects or not users:
        return skipped(NO_RDMA if case.objects else NO_RECIPE)
    nodes = card_hosts(case, users)
    if not nodes:
        return skipped(NO_HOST)
    waiting = [node for node in nodes if node.labels.get(_WAIT) == "true"]
    if waiting:
        return failed(
            f"On {len(waiting)} of {len(nodes)} candidate nodes the driver of the cards is not loaded yet.",
            seen(waiting[:5], {node.name: f"label {_WAIT} is true" for node in waiting}, "false"),
            "$ kubectl get pods -A -l nvidia.com/ofed-driver",
        )
    return _of_network_operator(case, nodes)


def _of_network_operator(case: Case, nodes: tuple[Node, ...]) -> Verdict:
    """What NVIDIA's network operator says of the whole cluster, where no node waits for it."""
    clusterwide = _of_kind(case, "NicClusterPolicy")
    states = {each["metadata"]["name"]: str((each.get("status") or {}).get("state", "")) for each in clusterwide}
    unready = {name: state for name, state in states.items() if state != "ready"}
    if unready:
        return failed(
            f"NVIDIA's network operator is not done: NicClusterPolicy {listed(unready)} is"
            f" {next(iter(unready.values())) or 'without a state'}.",
            [
                Evidence(object=f"NicClusterPolicy//{name}", observed=f"state {state}")
                for name, state in unready.items()
            ],
            "$ kubectl describe nicclusterpolicy",
        )
    labelled = [node for node in nodes if _WAIT in node.labels]
    if not labelled and not states:
        return skipped("NVIDIA's network operator is not here; whoever installed the cards' driver answers for it")
    if not labelled:
        return unknown("NVIDIA's network operator is done, and no candidate node says that its cards' driver is loaded")
    return passed(f"NVIDIA's network operator has the cards' driver ready on {len(labelled)} of {len(nodes)} nodes.")


def _of_kind(case: Case, kind: str) -> list[Mapping[str, Any]]:
    return [item for item in case.section("vendor-operators") if item.get("kind") == kind]


def _gpu_direct(case: Case) -> Verdict:
    users = [template for template in rdma_pods(case) if template.requests.get("nvidia.com/gpu")]
    if not case.objects or not users:
        return skipped("no pod asks for NVIDIA GPUs and RDMA cards" if case.objects else NO_RECIPE)
    if all(EFA in asked(template) for template in users):
        return skipped("EFA's own driver reaches GPU memory")
    policies = _of_kind(case, "ClusterPolicy")
    drivers = {each["metadata"]["name"]: (each.get("spec") or {}).get("driver") or {} for each in policies}
    installing = {name: driver for name, driver in drivers.items() if driver.get("enabled", True)}
    for name, driver in installing.items():
        return _of_operator(name, driver)
    reloaders = [item for item in case.section("daemon-sets") if "peermem" in item["metadata"]["name"]]
    if reloaders:
        return passed(f"A DaemonSet loads nvidia-peermem: {reloaders[0]['metadata']['name']}.")
    return _without_operator(case)


def _without_operator(case: Case) -> Verdict:
    """Where the driver comes with the machine: what a probe saw, and what is known of AKS."""
    probed = _probed(case, "peermem")
    if probed and all(row["peermem"] for row in probed):
        return passed(f"nvidia-peermem is loaded on {len(probed)} probed types of nodes.")
    if case.platform.name == "aks":
        return failed(
            "The GPU driver that AKS installs does not load nvidia-peermem, and no DaemonSet here does: the KV cache"
            " goes by way of host memory.",
            (),
            "$ kubectl apply -f https://raw.githubusercontent.com/Azure/aks-rdma-infiniband/refs/heads/main/configs/"
            "nvidia-peermem-reloader/ds.yaml",
        )
    return unknown("no object shows whether nvidia-peermem is loaded or the kernel modules are open ones: ask --probe")


def _of_operator(name: str, driver: Mapping[str, Any]) -> Verdict:
    rdma = (driver.get("rdma") or {}).get("enabled") is True
    modules = str(driver.get("kernelModuleType") or "auto")
    opened = modules in ("auto", "open") or driver.get("useOpenKernelModules") is True
    if rdma or opened:
        why = "spec.driver.rdma is enabled" if rdma else f"kernel modules: {modules}, which can hand out DMA buffers"
        return passed(f"ClusterPolicy {name}: {why}.")
    return failed(
        f"ClusterPolicy {name} installs closed kernel modules and leaves spec.driver.rdma off: RDMA cards cannot reach"
        " GPU memory.",
        [Evidence(object=f"ClusterPolicy//{name}", observed="rdma.enabled false, kernelModuleType proprietary")],
        "Set driver.rdma.enabled=true, or kernelModuleType to open, in the GPU operator's values.",
    )


def _memlock(case: Case) -> Verdict:
    users = rdma_pods(case)
    if not case.objects or not users:
        return skipped(NO_RDMA if case.objects else NO_RECIPE)
    case.section("nodes")
    if simulated(case):
        return skipped("every node is simulated: no container runs there")
    if case.platform.name == "aks":
        return _on_aks(case, users)
    probed = _probed(case, "memlock")
    if probed:
        return _measured(probed)
    return skipped(f"platform {case.platform.name}: no low limit of locked memory is known of it")


def _on_aks(case: Case, users: tuple[PodTemplate, ...]) -> Verdict:
    adjusters = [item for item in case.section("daemon-sets") if "ulimit-adjuster" in item["metadata"]["name"]]
    if adjusters:
        return passed(f"A DaemonSet adjusts limits: {adjusters[0]['metadata']['name']}.")
    probed = _probed(case, "memlock")
    if probed:
        return _measured(probed)
    say = warned if all(_unlimited(template) for template in users if template.is_model_server) else failed
    return say(
        "Containers on AKS may lock 64 KiB of memory, and no DaemonSet here raises it: NIXL and NCCL register their"
        " buffers only as root with IPC_LOCK.",
        [Evidence(object=template.identity, observed="no DaemonSet nri-plugin-ulimit-adjuster") for template in users],
        "Enable NRI in containerd on the GPU nodes, then:",
        "$ kubectl apply -k https://github.com/containerd/nri/contrib/kustomize/ulimit-adjuster",
    )


def _probed(case: Case, field: str) -> list[Mapping[str, Any]]:
    """What probes read on each type of node, where they ran and read this; empty without --probe."""
    rows = case.reading("probes").items
    return [row for row in rows if row.get("outcome") == "ok" and row.get(field) is not None]


def _measured(rows: list[Mapping[str, Any]]) -> Verdict:
    low = [
        row for row in rows if row["memlock"] != "unlimited" and int(row["memlock"]) <= _LOW_KIB and row.get("uid") != 0
    ]
    if low:
        return failed(
            f"On {len(low)} of {len(rows)} types of nodes a pod may lock {low[0]['memlock']} KiB of memory as user"
            f" {low[0].get('uid', 'unknown')}: RDMA buffers are locked memory.",
            [Evidence(object=f"Node//{row.get('node')}", observed=f"ulimit -l {row['memlock']}") for row in low],
            "Raise LimitMEMLOCK of the container runtime, or run as root with IPC_LOCK.",
        )
    return passed(f"Pods on {len(rows)} probed types of nodes may lock enough memory.")


def _unlimited(template: PodTemplate) -> bool:
    """Whether each container that may use cards is root with IPC_LOCK, for which no limit of locked memory counts."""
    return all(
        context.get("privileged")
        or ({"IPC_LOCK", "ALL"} & set((context.get("capabilities") or {}).get("add") or ())
            and not _not_root(template.spec, context))
        for container in template.spec.get("containers") or ()
        for context in (container.get("securityContext") or {},)
    )  # fmt: skip


def _same_fabric(case: Case) -> Verdict:
    users = rdma_pods(case)
    if not case.objects or not users:
        return skipped(NO_RDMA if case.objects else NO_RECIPE)
    nodes = card_hosts(case, users)
    for key in _FABRICS:
        groups = _groups(nodes, key)
        if len(groups) > 1 and not _kept_together(users, key):
            return failed(
                f"Candidate nodes are on {len(groups)} fabrics ({key}): {_counted(groups)}. Cards of one do not reach"
                " those of another.",
                seen(nodes[:8], {node.name: f"{key}={node.labels.get(key, 'absent')}" for node in nodes}),
                f"Add a nodeSelector for {key}: --set 'modelserver.roleDefaults.nodeSelector.{_escaped(key)}=VALUE'.",
            )
    spanning = [template for template in users if multi_node(template)]
    for key in _BLOCKS if spanning else ():
        groups = _groups(nodes, key)
        if len(groups) > 1 and not _kept_together(spanning, key):
            return warned(
                f"Candidate nodes are in {len(groups)} blocks ({key}): {_counted(groups)}. A replica may spread over"
                " several, where links are slower.",
                seen(nodes[:8], {node.name: f"{key}={node.labels.get(key, 'absent')}" for node in nodes}),
                f"Keep a group together by an affinity for {key}, or by Kueue's topology-aware scheduling.",
            )
    said = {key: sum(_groups(nodes, key).values()) for key in (*_FABRICS, *_BLOCKS)}
    whole = [key for key, number in said.items() if number == len(nodes) > 0]
    if whole:
        return passed(f"By {listed(whole)}, {len(nodes)} candidate nodes are near each other, or are chosen so.")
    if any(said.values()):
        key = max(said, key=lambda each: said[each])
        return unknown(f"{len(nodes) - said[key]} of {len(nodes)} candidate nodes do not say where they are ({key})")
    return skipped("no candidate node says where it is in the network")


def _groups(nodes: tuple[Node, ...], key: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for node in nodes:
        if key in node.labels:
            found[node.labels[key]] = found.get(node.labels[key], 0) + 1
    return found


def _counted(groups: Mapping[str, int]) -> str:
    return listed(f"{value} ({number} nodes)" for value, number in sorted(groups.items()))


def _kept_together(templates: list[PodTemplate] | tuple[PodTemplate, ...], key: str) -> bool:
    """Whether each of the pods chooses one value of a label, or stays with its group."""
    return all(
        key in (template.spec.get("nodeSelector") or {}) or key in str(template.spec.get("affinity") or {})
        or key in {(template.workload["metadata"].get("annotations") or {}).get(name) for name in _EXCLUSIVE}
        for template in templates
    )  # fmt: skip


def _escaped(name: str) -> str:
    return name.replace(".", r"\.")


def _may_pin(case: Case) -> Verdict:
    users = [template for template in rdma_pods(case) if template.is_model_server]
    if not case.objects or not users:
        return skipped(NO_RDMA if case.objects else NO_RECIPE)
    bare, inert = [], []
    for template in users:
        if claims(case, template) == (_GKE_CLASS,):
            continue
        for container in template.spec.get("containers") or ():
            context = container.get("securityContext") or {}
            added = (context.get("capabilities") or {}).get("add") or ()
            place = f"container {container['name']}"
            if not context.get("privileged") and not {"IPC_LOCK", "CAP_IPC_LOCK", "ALL"} & set(added):
                bare.append(Evidence(object=template.identity, observed=f"{place} has no IPC_LOCK"))
            elif not context.get("privileged") and _not_root(template.spec, context):
                inert.append(Evidence(object=template.identity, observed=f"{place} has IPC_LOCK and is not root"))
    if bare:
        return warned(
            f"{listed(dict.fromkeys(row.object for row in bare))}: without IPC_LOCK a container may lock no more memory"
            " than the limit of its runtime, often 64 KiB or 8 MiB, and RDMA buffers are locked memory.",
            bare,
            "Set modelserver.roleDefaults.fabric.capabilities.IPC_LOCK=true, unless the nodes' limit is unlimited.",
        )
    if inert:
        return warned(
            "IPC_LOCK has no effect in a container that does not run as root: the limit of its runtime counts.",
            inert,
            "Run as root, or raise the limit of locked memory in the container runtime.",
        )
    return passed("The containers that use RDMA cards may lock memory.")


def _not_root(spec: Mapping[str, Any], context: Mapping[str, Any]) -> bool:
    whole = spec.get("securityContext") or {}
    user = context.get("runAsUser", whole.get("runAsUser"))
    return bool(user) or (user is None and bool(context.get("runAsNonRoot", whole.get("runAsNonRoot"))))


_AKS: Final = "https://github.com/llm-d/llm-d/blob/main/docs/infrastructure/providers/aks/README.md"
CHECKS: Final = (
    Check(
        code="LD0707",
        slug="nic-driver",
        title="The driver of the RDMA cards is ready",
        severity=Severity.ERROR,
        rule=_driver_ready,
        needs=("nodes", "vendor-operators", "resource-slices"),
        why="While NVIDIA's network operator loads the cards' driver on a node, it labels the node"
        " network.nvidia.com/operator.mofed.wait=true; RDMA does not work there yet.",
        remedy="Wait for the operator, or look at its pods.",
        sources=("https://github.com/Mellanox/network-operator", "https://azure.github.io/aks-rdma-infiniband/"),
    ),
    Check(
        code="LD0708",
        slug="gpudirect-rdma",
        title="RDMA cards reach GPU memory",
        severity=Severity.WARNING,
        rule=_gpu_direct,
        needs=("nodes", "vendor-operators", "daemon-sets", "resource-slices"),
        why="GPUDirect RDMA needs the module nvidia-peermem, or open kernel modules with DMA-BUF. Without, data goes by"
        " way of host memory.",
        remedy="Enable it where the GPU driver is installed.",
        sources=("https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/gpu-operator-rdma.html", _AKS),
    ),
    Check(
        code="LD0709",
        slug="locked-memory",
        title="Containers may lock enough memory",
        severity=Severity.ERROR,
        rule=_memlock,
        needs=("nodes", "daemon-sets"),
        why="AKS limits the locked memory of containers to 64 KiB; RDMA buffers are locked memory.",
        remedy="Deploy the NRI plugin that adjusts limits.",
        sources=(_AKS,),
    ),
    Check(
        code="LD0710",
        slug="same-fabric",
        title="Candidate nodes are on one fabric, near each other",
        severity=Severity.ERROR,
        rule=_same_fabric,
        needs=("nodes", "resource-slices"),
        why="InfiniBand fabrics are islands: cards of one do not reach those of another. Within one, nodes of different"
        " blocks have slower links between them.",
        remedy="Choose one fabric by a node label; keep the pods of a group in one block.",
        sources=(
            "https://docs.coreweave.com/products/networking/hpc-interconnect/infiniband-roce-labels",
            "https://github.com/llm-d/llm-d/blob/main/docs/infrastructure/providers/gke/README.md",
            "https://github.com/NVIDIA/topograph",
        ),
    ),
    Check(
        code="LD0712",
        slug="ipc-lock",
        title="Containers with RDMA cards may lock memory",
        severity=Severity.ERROR,
        rule=_may_pin,
        why="RDMA registers buffers, which locks them in memory. The capability IPC_LOCK lifts the limit,"
        " for root only.",
        remedy="Add IPC_LOCK, or raise the limit on the nodes.",
        sources=(
            "https://github.com/NVIDIA/nvidia-container-toolkit/issues/2037",
            "https://man7.org/linux/man-pages/man7/capabilities.7.html",
        ),
    ),
)
