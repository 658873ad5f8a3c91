"""Drivers and operators of devices, networks and queues: what the recipe names of them must be there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.crd import how, lacking, missing_evidence, names, rendered_kinds
from llmdctl.preflight.phrases import all_of, counted
from llmdctl.preflight.slices import Pool, pools
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, unknown

_DOMAIN: Final = "resource.nvidia.com"
_DOMAIN_DRIVER: Final = "compute-domain.nvidia.com"
_DOMAIN_CLASSES: Final = ("compute-domain-daemon.nvidia.com", "compute-domain-default-channel.nvidia.com")
_NETWORKS: Final = "k8s.v1.cni.cncf.io/networks"
_QUEUE: Final = "kueue.x-k8s.io/queue-name"
_DRIVER: Final = re.compile(r"device\.driver\s*==\s*[\"']([^\"']+)[\"']")
_HEALTHY: Final[Mapping[str, tuple[str, str]]] = {
    "ClusterPolicy": ("state", "ready"),
    "NicClusterPolicy": ("state", "ready"),
    "SriovNetworkNodeState": ("syncStatus", "Succeeded"),
}
"""Kind of a vendor's operator -> the field of its status, and the value when all is well."""


def _compute_domain(case: Case) -> Verdict:
    kinds = rendered_kinds(case, _DOMAIN)
    if not kinds:
        return skipped("the recipe makes no ComputeDomain")
    missing = lacking(case, kinds)
    way = (
        "Install NVIDIA's DRA driver with resources.computeDomains.enabled=true; the nodes need driver 570.158.01 or"
        " newer, and the service nvidia-imex of the host off.",
    )
    if missing:
        return failed(f"{names(missing)} is not served.", missing_evidence(missing), *way)
    have = {str(item["metadata"]["name"]) for item in case.section("device-classes")}
    lost = [name for name in _DOMAIN_CLASSES if name not in have]
    if lost:
        return failed(
            f"{len(lost)} of {len(_DOMAIN_CLASSES)} DeviceClasses of ComputeDomains are missing: {names(lost)}.",
            tuple(Evidence(object=f"DeviceClass//{name}", observed="absent") for name in lost), *way,
        )  # fmt: skip
    nodes = _publishing(pools(case.section("resource-slices")), _DOMAIN_DRIVER)
    if not nodes:
        return failed(f"No node publishes devices of {_DOMAIN_DRIVER}: no pod gets into a domain.", (), *way)
    return passed(f"ComputeDomain is served; devices of {_DOMAIN_DRIVER} on {counted(len(nodes), 'node')}.")


def _publishing(found: tuple[Pool, ...], driver: str) -> frozenset[str]:
    return frozenset(node for pool in found if pool.driver == driver and pool.devices for node in pool.nodes)


def _drivers(case: Case) -> Verdict:
    wanted = sorted({name for obj in case.rendered("ResourceClaimTemplate", "ResourceClaim") for name in _classes(obj)})
    if not wanted:
        return skipped("the recipe claims no devices by DRA")
    classes = {str(item["metadata"]["name"]): item for item in case.section("device-classes")}
    lost = [name for name in wanted if name not in classes]
    if lost:
        return failed(
            f"DeviceClass {names(lost)} is claimed and not there ({len(classes)} others are): the pods stay pending.",
            tuple(Evidence(object=f"DeviceClass//{name}", observed="absent") for name in lost),
            *how(_dra(case)), "Install the DRA driver of these devices.",
        )  # fmt: skip
    drivers = {name: _driver(classes[name]) for name in wanted}
    opaque = [name for name, driver in drivers.items() if not driver]
    if opaque:
        return unknown(
            f"DeviceClass {names(opaque)} does not select by device.driver: whose devices it takes is not said"
        )
    found = pools(case.section("resource-slices"))
    silent = sorted({driver for driver in drivers.values() if not _publishing(found, driver)})
    if silent:
        return failed(
            f"No node publishes devices of {names(silent)} ({len(found)} pools of other drivers are there).",
            tuple(Evidence(object=f"DeviceClass//{name}", observed=f"driver {drivers[name]}") for name in wanted),
            "See the logs of the driver's kubelet plugin, and whether its DaemonSet runs on these nodes.",
        )
    broken = [pool for pool in found if pool.driver in drivers.values() and not pool.complete]
    if broken:
        return failed(
            f"Incomplete pools of devices: {len(broken)}. Their newest generation lacks slices, and nothing is"
            " allocated from them.",
            tuple(
                Evidence(object=f"ResourcePool//{pool.name}", observed=f"{pool.driver}, incomplete") for pool in broken
            ),
            "Wait until the driver has published all slices; if it does not, restart its kubelet plugin.",
        )
    count = len(frozenset().union(*(_publishing(found, driver) for driver in drivers.values())))
    return passed(f"Devices of {names(sorted(set(drivers.values())))} are published on {counted(count, 'node')}.")


def _dra(case: Case) -> tuple[Any, ...]:
    return tuple(need for need in (case.recipe.prerequisites if case.recipe else ()) if "dra" in need.name)


def _classes(obj: Mapping[str, Any]) -> Iterator[str]:
    spec = obj.get("spec") or {}
    devices = (spec.get("spec") or spec).get("devices") or {}
    for request in devices.get("requests") or ():
        for part in (request, request.get("exactly") or {}, *(request.get("firstAvailable") or ())):
            if part.get("deviceClassName"):
                yield str(part["deviceClassName"])


def _driver(item: Mapping[str, Any]) -> str:
    for selector in (item.get("spec") or {}).get("selectors") or ():
        found = _DRIVER.search(str((selector.get("cel") or {}).get("expression", "")))
        if found:
            return found[1]
    return ""


def _operators(case: Case) -> Verdict:
    items = case.section("vendor-operators")
    if not items:
        return skipped("no operator of a device vendor reports a state")
    bad = [(item, said) for item in items if (said := _state(item)) is not None]
    if not bad:
        return passed(f"{all_of(len(items), 'state')} that operators of device vendors report: well.")
    return failed(
        f"{len(bad)} of {len(items)} states that operators of device vendors report are not well:"
        f" {names(f'{_named(item)} {said}' for item, said in bad)}.",
        tuple(Evidence(object=_named(item), observed=said, expected=_expected(item)) for item, said in bad),
        f"$ kubectl describe {str(bad[0][0].get('kind')).lower()} {bad[0][0]['metadata']['name']}",
        "Wait until it is done: drivers and device plugins may be missing on some nodes until then.",
    )


def _state(item: Mapping[str, Any]) -> str | None:
    """What is not well; None where all is."""
    status, kind = item.get("status") or {}, str(item.get("kind"))
    if kind in _HEALTHY:
        field, good = _HEALTHY[kind]
        said = str(status.get(field) or "none")
        return None if said == good else f"{field} {said}"
    if kind == "DeviceConfig":  # https://instinct.docs.amd.com/projects/gpu-operator: counts by component
        for name in ("devicePlugin", "driver"):
            part = status.get(name) or {}
            want, have = part.get("desiredNumber"), part.get("availableNumber")
            if want is not None and int(have or 0) < int(want):
                return f"{name} {int(have or 0)} of {want} available"
    return None


def _expected(item: Mapping[str, Any]) -> str:
    return _HEALTHY.get(str(item.get("kind")), ("", "all available"))[1]


def _named(item: Mapping[str, Any]) -> str:
    return f"{item.get('kind')}/{item['metadata'].get('namespace', '')}/{item['metadata']['name']}"


def _networks(case: Case) -> Verdict:
    wanted: dict[tuple[str, str], str] = {}
    for template in case.workloads:
        own = str(template.workload["metadata"].get("namespace", case.namespace))
        for key in _attached(template.annotations.get(_NETWORKS, ""), own):
            wanted.setdefault(key, template.identity)
    if not wanted:
        return skipped("no pod of the recipe asks for a network of Multus")
    have = {
        (str(item["metadata"].get("namespace", "")), str(item["metadata"]["name"]))
        for item in case.section("network-attachments")
        if item.get("kind") == "NetworkAttachmentDefinition"
    }
    lost = {key: who for key, who in wanted.items() if key not in have}
    if not lost:
        return passed(f"{all_of(len(wanted), 'network')} that the pods ask for: defined.")
    return failed(
        f"{len(lost)} of {len(wanted)} networks that the pods ask for are not defined ({len(have)} others are): the"
        " pods stay in ContainerCreating.",
        tuple(
            Evidence(object=f"NetworkAttachmentDefinition/{space}/{name}", observed="absent", expected=f"for {who}")
            for (space, name), who in lost.items()
        ),
        "Make them in this namespace (an SriovNetwork with networkNamespace does), or name those that are there.",
        "$ kubectl get network-attachment-definitions --all-namespaces",
    )


def _attached(text: str, namespace: str) -> Iterator[tuple[str, str]]:
    """`ns/name@if, name` or a JSON list, as Multus reads it: (namespace, name).

    https://github.com/k8snetworkplumbingwg/multus-cni/blob/master/docs/how-to-use.md
    """
    if text.lstrip().startswith("["):
        for entry in json.loads(text):
            yield str(entry.get("namespace") or namespace), str(entry.get("name"))
        return
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        space, _, name = part.partition("@")[0].rpartition("/")
        yield space or namespace, name


def _kueue(case: Case) -> Verdict:
    wanted = sorted(
        {
            (str(obj["metadata"].get("namespace", case.namespace)), str(queue))
            for obj in case.rendered("Deployment", "StatefulSet", "LeaderWorkerSet")
            if (queue := (obj["metadata"].get("labels") or {}).get(_QUEUE))
        }
    )
    if not wanted:
        return skipped("no workload of the recipe names a queue of Kueue")
    verdicts = (_queue(case, space, name) for space, name in wanted)
    bad = next((verdict for verdict in verdicts if verdict), None)
    return bad or passed(
        f"The queues that the workloads name are there and active: {names(name for _, name in wanted)}."
    )


def _queue(case: Case, space: str, name: str) -> Verdict | None:
    """What is wrong with one LocalQueue and what it points to."""
    items = case.section("kueue")
    local = _find(items, "LocalQueue", name, space)
    if local is None:
        return _no_queue(f"LocalQueue {name} is not in namespace {space}", f"LocalQueue/{space}/{name}")
    parent = str((local.get("spec") or {}).get("clusterQueue", ""))
    identity = f"ClusterQueue//{parent}"
    cluster = _find(items, "ClusterQueue", parent)
    if cluster is None:
        return _no_queue(f"LocalQueue {name} points to ClusterQueue {parent}, which is not there", identity)
    lost = [flavor for flavor in _flavors(cluster) if _find(items, "ResourceFlavor", flavor) is None]
    if lost:
        said = f"ClusterQueue {parent} names ResourceFlavor {names(lost)}, which is not there"
        return _no_queue(said, f"ResourceFlavor//{lost[0]}")
    held = [row for row in (cluster.get("status") or {}).get("conditions") or () if row.get("type") == "Active"]
    if not held:
        return unknown(f"ClusterQueue {parent} does not say whether it is active")
    if held[0].get("status") == "True":
        return None
    return _no_queue(f"ClusterQueue {parent} is not active: {held[0].get('message', '')}".rstrip(": "), identity)


def _find(items: tuple[Mapping[str, Any], ...], kind: str, name: str, namespace: str = "") -> Mapping[str, Any] | None:
    for item in items:
        metadata = item["metadata"]
        if (item.get("kind"), metadata["name"], metadata.get("namespace", "")) == (kind, name, namespace):
            return item
    return None


def _flavors(cluster: Mapping[str, Any]) -> Iterator[str]:
    for group in (cluster.get("spec") or {}).get("resourceGroups") or ():
        for flavor in group.get("flavors") or ():
            yield str(flavor.get("name"))


def _no_queue(why: str, identity: str) -> Verdict:
    return failed(
        f"{why}: the workloads would be kept suspended.", (Evidence(object=identity, observed=why.rpartition(" ")[0]),),
        "Name a queue that is there (modelserver.roleDefaults.workloadLabels), or have it made.",
        "$ kubectl get localqueues --all-namespaces",
    )  # fmt: skip


CHECKS: Final = (
    Check(
        code="LD0412",
        slug="compute-domain",
        title="ComputeDomains can be made",
        severity=Severity.ERROR,
        rule=_compute_domain,
        needs=("crds", "device-classes", "resource-slices"),
        why="NVLink between nodes works only among pods of one ComputeDomain, which NVIDIA's DRA driver sets up.",
        remedy="Install NVIDIA's DRA driver with compute domains.",
        sources=(
            "https://github.com/kubernetes-sigs/dra-driver-nvidia-gpu",
            "https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/dra-cds.html",
        ),
    ),
    Check(
        code="LD0413",
        slug="dra-drivers",
        title="DRA drivers publish the devices that are claimed",
        severity=Severity.ERROR,
        rule=_drivers,
        needs=("device-classes", "resource-slices"),
        why="A claim of a DeviceClass that is not there, or of a driver that publishes nothing, keeps its pod pending.",
        remedy="Install the driver, or see why its kubelet plugin publishes nothing.",
        sources=("https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/",),
    ),
    Check(
        code="LD0414",
        slug="vendor-operators",
        title="Operators of device vendors are done",
        severity=Severity.WARNING,
        rule=_operators,
        needs=("vendor-operators",),
        why="While an operator is at work or stuck, some nodes lack drivers, device plugins or network devices.",
        remedy="Wait, or see what the operator says.",
        sources=(
            "https://github.com/NVIDIA/gpu-operator/blob/main/api/nvidia/v1/clusterpolicy_types.go",
            "https://github.com/Mellanox/network-operator/blob/master/api/v1alpha1/nicclusterpolicy_types.go",
        ),
    ),
    Check(
        code="LD0415",
        slug="network-attachments",
        title="Networks of Multus that pods ask for are defined",
        severity=Severity.ERROR,
        rule=_networks,
        needs=("network-attachments",),
        why="A pod that names a NetworkAttachmentDefinition that is not there never leaves ContainerCreating.",
        remedy="Define the networks, or name those that are there.",
        sources=("https://github.com/k8snetworkplumbingwg/multus-cni/blob/master/docs/how-to-use.md",),
    ),
    Check(
        code="LD0416",
        slug="kueue-queues",
        title="The queues of Kueue that workloads name are there",
        severity=Severity.WARNING,
        rule=_kueue,
        needs=("kueue",),
        why="A workload that names a queue that is not there, or whose flavours are not, is never admitted.",
        remedy="Name a queue that is there.",
        sources=("https://kueue.sigs.k8s.io/docs/tasks/run/leaderworkerset/",),
    ),
)
