"""Clusters and workloads that chance makes, and how they come to the real control plane.

Each case has its own nodes, zones and labels: pods select `placement/case`, and a taint keeps everybody else away.
Nobody plays the kubelets: a node is ready from the start, and pods tolerate what is said of one that is silent later.
A pod is bound or refused, which is all that is asked; that none runs spares every request about running ones.
Sizes are powers of two, and all pods with devices of one case may go to the same nodes: then the number that fits does
not depend on where the scheduler puts the first ones, as long as the large ones come first.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

CASE = "placement/case"
GPU = "nvidia.com/gpu"
ZONE = "topology.kubernetes.io/zone"
DRIVER = "gpu.placement.llmdctl.dev"
NIC = "nic.placement.llmdctl.dev"
EXCLUSIVE = "leaderworkerset.sigs.k8s.io/exclusive-topology"
_SILENT = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_MINE = tuple({"key": key, "operator": "Exists"} for key in (CASE, *_SILENT))
_READY = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}
Object = dict[str, Any]


@dataclass
class Cluster:
    """One case. `workloads` are in the order in which they come."""

    name: str
    nodes: list[Object] = field(default_factory=list)
    fillers: list[Object] = field(default_factory=list)
    slices: list[Object] = field(default_factory=list)
    templates: list[Object] = field(default_factory=list)
    workloads: list[Object] = field(default_factory=list)
    namespace: str = ""

    @property
    def objects(self) -> tuple[Object, ...]:
        """As a chart would have rendered them."""
        return tuple(
            {**obj, "metadata": {**obj["metadata"], "namespace": self.namespace}}
            for obj in (*self.templates, *self.workloads)
        )

    def node(self, gpus: int, *, taints: tuple[Object, ...] = (), labels: Object | None = None, **more: Any) -> Object:
        name = f"{self.name}-{len(self.nodes)}"
        disk, cordon, extra = more.get("disk", "500Gi"), more.get("cordon", False), more.get("extra", {})
        resources = {"cpu": more.get("cpu", "64"), "memory": "512Gi", "ephemeral-storage": disk, "pods": "20"}
        resources |= ({GPU: str(gpus)} if gpus else {}) | extra
        item = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "labels": {"kubernetes.io/hostname": name, CASE: self.name, "pool": "h200", **(labels or {})},
            },
            "spec": {"taints": [{"key": CASE, "value": self.name, "effect": "NoSchedule"}, *taints],
                     **({"unschedulable": True} if cordon else {})},
            "status": {"capacity": resources, "allocatable": resources, "conditions": [_READY]},
        }  # fmt: skip
        self.nodes.append(item)
        return item

    def fill(self, node: Object, gpus: int) -> None:
        """A pod of somebody else that is on the node already."""
        name = f"{self.name}-filler-{len(self.fillers)}"
        anywhere = self.pod(gpus, tolerations=({"operator": "Exists"},))  # else a NoExecute taint takes it away again
        spec = {"nodeName": node["metadata"]["name"], **anywhere}
        self.fillers.append({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})

    def pod(self, gpus: int = 0, *, tolerations: tuple[Object, ...] = (), disk: str = "", **spec: Any) -> Object:
        asked = {"cpu": "500m"} | ({GPU: str(gpus)} if gpus else {}) | ({"ephemeral-storage": disk} if disk else {})
        asked |= spec.pop("extra", {})
        ports = spec.pop("ports", [])
        container = {
            "name": "main", "image": "example.invalid/engine:1", "ports": ports,
            "resources": {"requests": asked, "limits": {k: v for k, v in asked.items() if k != "cpu"}},
        }  # fmt: skip
        return {
            "terminationGracePeriodSeconds": 0,
            "nodeSelector": {CASE: self.name} | spec.pop("selector", {}),
            "tolerations": [*_MINE, *tolerations],
            "containers": [container],
            **spec,
        }

    def deployment(self, role: str, replicas: int, pod: Object) -> None:
        role = f"{self.name}-{role}"
        labels = {"app.kubernetes.io/component": role}
        self.workloads.append(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": role},
                "spec": {
                    "replicas": replicas,
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": pod},
                },
            }
        )

    def group(self, role: str, replicas: int, size: int, pod: Object, *, exclusive: str = "") -> None:
        role = f"{self.name}-{role}"
        labels = {"app.kubernetes.io/component": role}
        self.workloads.append(
            {
                "apiVersion": "leaderworkerset.x-k8s.io/v1",
                "kind": "LeaderWorkerSet",
                "metadata": {"name": role, "annotations": {EXCLUSIVE: exclusive} if exclusive else {}},
                "spec": {
                    "replicas": replicas,
                    "leaderWorkerTemplate": {
                        "size": size,
                        "workerTemplate": {"metadata": {"labels": labels}, "spec": pod},
                    },
                },
            }
        )


def mixed(name: str, chance: random.Random) -> Cluster:
    """Taints, cordons, other pools, small disks, MIG instead of GPUs, nodes in use; two or three roles."""
    made = Cluster(name)
    private = {"key": GPU, "value": "PRIVATE", "effect": "NoSchedule"}
    present = {"key": GPU, "value": "present", "effect": chance.choice(["NoSchedule", "NoExecute", "PreferNoSchedule"])}
    for _ in range(chance.randint(2, 6)):
        item = made.node(
            chance.choice([2, 4, 8, 8]),
            taints=chance.choice([(), (present,), (present,), (private,)]),
            cordon=chance.random() < 0.15,
            disk=chance.choice(["500Gi", "500Gi", "500Gi", "17Gi"]),
            labels={"pool": chance.choice(["h200", "h200", "h100"])},
        )
        if chance.random() < 0.4:
            made.fill(item, chance.choice([1, 2]))
    made.node(0, extra={"nvidia.com/mig-3g.40gb": "2"})
    tolerations = chance.choice(
        [(), ({"key": GPU, "operator": "Equal", "value": "present"},), ({"key": GPU, "operator": "Exists"},)]
    )
    values = chance.choice([["h200"], ["h200", "h100"]])
    row = chance.choice(
        [{"key": "pool", "operator": "In", "values": values}, {"key": "pool", "operator": "NotIn", "values": ["h100"]}]
    )
    affinity = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [row]}]}
        }
    }
    sizes = sorted(chance.sample([1, 2, 4, 8], chance.randint(1, 2)), reverse=True)
    for size, role in zip(sizes, ("decode", "prefill"), strict=False):
        pod = made.pod(size, tolerations=tolerations, affinity=affinity, disk="60Gi")
        made.deployment(role, chance.randint(1, 5), pod)
    if chance.random() < 0.3:
        made.deployment("mig", 3, made.pod(extra={"nvidia.com/mig-3g.40gb": "1"}))
    return made


def tied(name: str, chance: random.Random) -> Cluster:
    """Rules between pods: one a node, spread over zones, all in one zone, host ports."""
    made = Cluster(name)
    rule = chance.choice(["apart", "spread", "together", "port"])
    for zone in "abc":
        for _ in range(2 if rule == "together" else chance.randint(1, 2)):
            made.node(chance.choice([2, 4]) if rule != "together" else 4, labels={ZONE: f"{name}-{zone}"})
    own = {"labelSelector": {"matchLabels": {"app.kubernetes.io/component": f"{name}-decode"}}}
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    spec: Object = {
        "apart": {"affinity": {"podAntiAffinity": {required: [{**own, "topologyKey": "kubernetes.io/hostname"}]}}},
        "together": {"affinity": {"podAffinity": {required: [{**own, "topologyKey": ZONE}]}}},
        "spread": {
            "topologySpreadConstraints": [
                {**own, "topologyKey": ZONE, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
            ]
        },
        "port": {"ports": [{"containerPort": 8000, "hostPort": 8000}]},
    }[rule]
    made.deployment("decode", chance.randint(3, 9), made.pod(1, **spec))
    return made


def grouped(name: str, chance: random.Random) -> Cluster:
    """Groups of a LeaderWorkerSet, some of which need a zone of their own."""
    made = Cluster(name)
    size, exclusive = chance.choice([2, 3, 4]), chance.random() < 0.4
    for zone in "ab":
        for _ in range(size if exclusive else chance.randint(1, 4)):
            made.node(8, labels={ZONE: f"{name}-{zone}"}, cordon=not exclusive and chance.random() < 0.2)
    made.group("decode", chance.randint(1, 4), size, made.pod(8), exclusive=ZONE if exclusive else "")
    return made


def claimed(name: str, chance: random.Random) -> Cluster:
    """Devices by ResourceSlices; a claim wants one, two, or a GPU and a card on the same root."""
    made = Cluster(name)
    pairs = chance.random() < 0.5
    for _ in range(chance.randint(1, 4)):
        node = made.node(0)["metadata"]["name"]
        number = chance.choice([2, 4, 8])
        roots = [f"pci0000:{i:02x}" for i in range(number)]
        products = [chance.choice(["H200", "H200", "H100"]) for _ in roots]
        made.slices.append(
            _slice(node, DRIVER, [_device(f"gpu-{i}", root, product=products[i]) for i, root in enumerate(roots)])
        )
        if pairs:
            cards = roots[: chance.randint(1, number)]
            made.slices.append(_slice(node, NIC, [_device(f"nic-{i}", root) for i, root in enumerate(cards)]))
    wanted: Object = {"deviceClassName": DRIVER, "count": 1 if pairs else chance.choice([1, 2])}
    wanted["selectors"] = [{"cel": {"expression": f'device.attributes["{DRIVER}"].product == "H200"'}}]
    devices: Object = {"requests": [{"name": "gpu", "exactly": wanted}]}
    if pairs:
        devices["requests"].append({"name": "nic", "exactly": {"deviceClassName": NIC}})
        devices["constraints"] = [{"matchAttribute": "resource.kubernetes.io/pcieRoot"}]
    kind = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaimTemplate"}
    made.templates.append({**kind, "metadata": {"name": f"{name}-devices"}, "spec": {"spec": {"devices": devices}}})
    claim = [{"name": "devices", "resourceClaimTemplateName": f"{name}-devices"}]
    made.deployment("decode", chance.randint(2, 8), made.pod(resourceClaims=claim))
    return made


def classes() -> list[Object]:
    """The device classes of both drivers."""
    return [
        {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "DeviceClass",
            "metadata": {"name": driver},
            "spec": {"selectors": [{"cel": {"expression": f"device.driver == '{driver}'"}}]},
        }
        for driver in (DRIVER, NIC)
    ]


def generated(seed: int) -> list[Cluster]:
    """56 cases, always the same for one seed."""
    chance = random.Random(seed)
    kinds = [mixed] * 24 + [tied] * 10 + [grouped] * 10 + [claimed] * 12
    return [kind(f"{kind.__name__}-{i}", chance) for i, kind in enumerate(kinds)]


def _slice(node: str, driver: str, devices: list[Object]) -> Object:
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceSlice",
        "metadata": {"name": f"{node}-{driver.partition('.')[0]}"},
        "spec": {
            "driver": driver,
            "nodeName": node,
            "pool": {"name": node, "generation": 1, "resourceSliceCount": 1},
            "devices": devices,
        },
    }


def _device(name: str, root: str, **attributes: str) -> Object:
    stated = {"resource.kubernetes.io/pcieRoot": root, **attributes}
    return {"name": name, "attributes": {key: {"string": value} for key, value in stated.items()}}
