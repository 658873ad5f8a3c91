"""What probes would run: one short Job for each sort of node that the recipe's model servers can go to. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from llmdctl.model.quantity import ACCELERATORS
from llmdctl.preflight.capacity import eligible
from llmdctl.preflight.case import Case
from llmdctl.preflight.node import Node
from llmdctl.preflight.rdma import meaning
from llmdctl.preflight.verdict import UnknowableError
from llmdctl.preflight.workload import PodTemplate

LABEL: Final = "llmdctl.dev/probe"
HEADER: Final = "llmdctl-probe/1"
_INSTANCE: Final = "node.kubernetes.io/instance-type"
_COPIED: Final = ("securityContext", "imagePullSecrets", "runtimeClassName")
_WHOLE_HOST: Final = frozenset({"google.com/tpu"})
"""A pod asks for all chips of a host or for none:
https://cloud.google.com/kubernetes-engine/docs/how-to/tpus#chips-per-node"""

SCRIPT: Final = f"""\
echo {HEADER}
echo "uid=$(id -u)"
echo "memlock=$(ulimit -l)"
nvidia-smi --query-gpu=driver_version,memory.total,name --format=csv,noheader,nounits 2>/dev/null | sed 's/^/gpu=/'
cat /sys/module/amdgpu/version 2>/dev/null | sed 's/^/amdgpu=/'
[ -d /sys/module/nvidia_peermem ] && echo peermem=loaded
for port in /sys/class/infiniband/*/ports/*; do
  [ -e "$port/state" ] || continue
  card="${{port#/sys/class/infiniband/}}"
  about="$(cat "$port/state"),$(cat "$port/rate"),$(cat "$port/link_layer"),$(cat "$port/gids/3" 2>/dev/null)"
  echo "nic=${{card%%/*}},${{card##*/}},$about"
done
exit 0
"""
"""POSIX sh; every line of output is KEY=VALUE. A program or a folder that is not there gives no line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """One Job, and where it goes."""

    node: str
    node_type: str  # instance type and accelerator
    accelerator: str | None  # facet
    role: str  # whose image and user it has
    image: str
    asks: Mapping[str, str]  # extended resources
    simulated: bool  # no container runs on that node
    manifest: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Of the Job."""
        return str(self.manifest["metadata"]["name"])


def probes(case: Case, *, namespace: str, deadline_s: int) -> tuple[Probe, ...]:
    """One probe a node type, on the node of it with the most free accelerators.

    Raises UnknowableError where nodes or what runs on them could not be read.
    """
    case = replace(case, release="")  # a release that is there already keeps what it has while probes run
    servers = [template for template in case.workloads if template.is_model_server]
    found: dict[str, tuple[Node, PodTemplate]] = {}
    for template in servers:
        for name, reason in eligible(case, template).items():
            node = next(each for each in case.nodes if each.name == name)
            if reason or not node.ready or not _accelerator(node):
                continue
            kind = _type(case, node)
            if kind not in found or _free(case, node) > _free(case, found[kind][0]):
                found[kind] = (node, template)
    return tuple(
        _probe(case, kind, node, template, namespace=namespace, deadline_s=deadline_s)
        for kind, (node, template) in sorted(found.items())
    )


def _accelerator(node: Node) -> str:
    return next((name for name in ACCELERATORS if node.allocatable.get(name)), "")


def _type(case: Case, node: Node) -> str:
    device = case.devices[node.name]
    what = device.product or device.facet or _accelerator(node)
    return f"{node.labels.get(_INSTANCE, 'unnamed type')} with {what}"


def _free(case: Case, node: Node) -> int:
    return int(case.free[node.name].get(_accelerator(node), 0))


def _probe(case: Case, kind: str, node: Node, template: PodTemplate, *, namespace: str, deadline_s: int) -> Probe:
    container = template.spec["containers"][0]
    asks = dict(_asks(case, node, template))
    labels = {"app.kubernetes.io/managed-by": "llmdctl", "app.kubernetes.io/component": "probe", LABEL: "true"}
    name = f"llmdctl-probe-{hashlib.sha256(f'{kind} {node.name}'.encode()).hexdigest()[:10]}"
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": deadline_s,
            "ttlSecondsAfterFinished": 60,
            "template": {"metadata": {"labels": labels}, "spec": _pod(template, container, node, asks)},
        },
    }
    return Probe(
        node=node.name, node_type=kind, accelerator=case.devices[node.name].facet, role=template.role,
        image=str(container.get("image", "")), asks=asks, simulated="kwok.x-k8s.io/node" in node.annotations,
        manifest=manifest,
    )  # fmt: skip


def _asks(case: Case, node: Node, template: PodTemplate) -> Iterator[tuple[str, str]]:
    """One accelerator, and the cards that the pod asks for: what a driver shows depends on what it was given."""
    try:
        left = case.free[node.name]
    except UnknowableError:
        return
    for name, number in template.requests.items():
        is_card = meaning(name) is not None
        wanted = number if name in _WHOLE_HOST or is_card else 1
        if (name in ACCELERATORS or is_card) and left.get(name, 0) >= wanted:
            yield name, str(int(wanted))


def _pod(template: PodTemplate, container: Mapping[str, Any], node: Node, asks: Mapping[str, str]) -> dict[str, Any]:
    """The user, the image and the rights of the model server; nothing else of it: no volume, secret or token."""
    resources = {"cpu": "100m", "memory": "256Mi", **asks}
    stated = container.get("securityContext") or {}
    secure = {"allowPrivilegeEscalation": False, "seccompProfile": {"type": "RuntimeDefault"}, **stated}
    if not secure.get("privileged"):
        secure["capabilities"] = {"drop": ["ALL"], **(stated.get("capabilities") or {})}
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": {"kubernetes.io/hostname": node.labels.get("kubernetes.io/hostname", node.name)},
        "tolerations": list(template.spec.get("tolerations") or ()),
        "containers": [
            {
                "name": "probe",
                "image": container.get("image", ""),
                "command": ["/bin/sh", "-c", SCRIPT],
                "resources": {"requests": resources, "limits": dict(resources)},
                "securityContext": secure,
            }
        ],
    }
    copied = {key: template.spec[key] for key in _COPIED if template.spec.get(key)}
    return {**spec, **copied}


def read(lines: tuple[str, ...]) -> dict[str, Any] | None:
    """What a probe wrote, as the section `probes` holds it; None where it did not come that far."""
    if HEADER not in lines:
        return None
    rows = [line.partition("=") for line in lines[lines.index(HEADER) + 1 :]]
    every: dict[str, list[str]] = {}
    for key, _, value in rows:
        every.setdefault(key, []).append(value.strip())
    gpus = [[part.strip() for part in text.split(",", 2)] for text in every.get("gpu", ())]
    ports = [text.split(",", 5) for text in every.get("nic", ())]
    return {
        "uid": _number(every.get("uid", [""])[0]),
        "memlock": _limit(every.get("memlock", [""])[0]),
        "driver": next((gpu[0] for gpu in gpus), every.get("amdgpu", [""])[0]),
        "memoryMib": next((_number(gpu[1]) for gpu in gpus if len(gpu) > 1), None),
        "product": next((gpu[2] for gpu in gpus if len(gpu) > 2), ""),
        "peermem": "peermem" in every,
        "nics": [
            dict(zip(("name", "port", "state", "rate", "linkLayer", "gid"), port, strict=False)) for port in ports
        ],
    }


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def _limit(text: str) -> int | str | None:
    """KiB, `unlimited`, or None where the shell does not say."""
    return text if text == "unlimited" else _number(text)
