"""What is left of each node for new pods, and which nodes a pod may go to at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from llmdctl.preflight.devices import allocated, devices_left
from llmdctl.preflight.nodeselection import refusal
from llmdctl.preflight.requests import Amounts, pod_requests

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case
    from llmdctl.preflight.workload import PodTemplate

Item = Mapping[str, Any]
INSTANCE: Final = "app.kubernetes.io/instance"
_CHOOSING: Final = ("nodeName", "nodeSelector", "tolerations", "affinity", "volumes")
_OVER: Final = ("Succeeded", "Failed")
COUNTED_BY: Final = {
    "gpu.nvidia.com": ("nvidia.com/gpu",),
    "gpu.amd.com": ("amd.com/gpu",),
    "gpu.intel.com": ("gpu.intel.com/i915", "gpu.intel.com/xe"),
    "gaudi.intel.com": ("habana.ai/gaudi",),
}
"""DRA driver -> the extended resources by which the same vendor's device plugin counts the same devices.
https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins/#examples"""


def free(case: Case) -> Mapping[str, Amounts]:
    """Node name -> what is left of it for new pods: cores, bytes, devices, `pods`; of every node, ready or not.

    Allocatable less the effective requests of pods that run or are nominated there, less devices that claims hold.
    Pods of the release itself are not counted: an upgrade replaces them. Where pods use claims, each DRA driver counts
    its unheld devices under its own name. Below zero where a node is overcommitted. Raises UnknowableError.
    """
    left = {node.name: dict(node.allocatable) for node in case.nodes}
    pods = case.occupants
    for name, used in _used(pods).items():
        if name in left:
            _take(left[name], used)
    if any(uses_claims(pod) for _, pod in pods):
        _less_claims(case, left)
    return left


def occupants(case: Case) -> Iterator[tuple[str, Item]]:
    """(node name, pod) of every pod that holds something of a node and is not of the release itself.

    Raises UnknowableError without pods.
    """
    nothing: Item = {}
    for pod in case.section("pods"):
        status = pod.get("status") or nothing
        node = (pod.get("spec") or nothing).get("nodeName") or status.get("nominatedNodeName")
        if node and status.get("phase") not in _OVER and not of_release(case, pod):
            yield node, pod


def of_release(case: Case, pod: Item) -> bool:
    """Whether a pod belongs to what would be upgraded."""
    metadata = pod["metadata"]
    labels = metadata.get("labels")
    if not labels or not case.release or labels.get(INSTANCE) != case.release:
        return False
    return bool(metadata.get("namespace", case.namespace) == case.namespace)


def eligible(case: Case, template: PodTemplate) -> Mapping[str, str]:
    """Node name -> empty where the scheduler may put the pod there, else why not; resources are not looked at.

    Raises UnknowableError without nodes, and without volumes where the pod uses claims that exist.
    """
    key = repr([template.spec.get(field) for field in _CHOOSING])
    if key not in case.reached:
        volumes = bound_volumes(case, template)
        case.reached[key] = {node.name: refusal(node, template.spec, volumes) for node in case.nodes}
    return case.reached[key]


def bound_volumes(case: Case, template: PodTemplate) -> tuple[Item, ...]:
    """`nodeAffinity.required` of the volumes to which the pod's claims are bound already."""
    names = {str((row.get("persistentVolumeClaim") or {}).get("claimName", "")) for row in _volumes(template)} - {""}
    if not names:
        return ()
    bound = {
        str((claim.get("spec") or {}).get("volumeName") or "")
        for claim in case.section("persistent-volume-claims")
        if (claim.get("metadata") or {}).get("namespace") == case.namespace and claim["metadata"].get("name") in names
    } - {""}
    if not bound:
        return ()
    volumes = (volume for volume in case.section("persistent-volumes") if volume["metadata"].get("name") in bound)
    required = (((volume.get("spec") or {}).get("nodeAffinity") or {}).get("required") for volume in volumes)
    return tuple(row for row in required if isinstance(row, Mapping))


def uses_claims(pod: Item) -> bool:
    """Whether devices of a pod are counted by DRA."""
    status = pod.get("status") or {}
    return bool((pod.get("spec") or {}).get("resourceClaims") or status.get("extendedResourceClaimStatus"))


def _volumes(template: PodTemplate) -> Iterable[Item]:
    return template.spec.get("volumes") or ()


def _used(pods: Iterable[tuple[str, Item]]) -> Mapping[str, Counter[str]]:
    """Node -> resource -> thousandths that its pods take, `pods` among them. Equal requests are reckoned once."""
    shapes: dict[str, Counter[str]] = {}
    used: dict[str, Counter[str]] = {}
    for node, pod in pods:
        key = _shape(pod)
        asked = shapes.get(key)
        if asked is None:
            asked = shapes[key] = _thousandths(pod)
        total = used.setdefault(node, Counter())
        for name, number in asked.items():
            total[name] += number
    return used


def _shape(pod: Item) -> str:
    """A key that equal requests share."""
    spec = pod["spec"]
    parts: list[object] = [container.get("resources") for container in spec.get("containers") or ()]
    starting = spec.get("initContainers")
    if starting:
        parts.append([(container.get("resources"), container.get("restartPolicy")) for container in starting])
    more = (spec.get("resources"), spec.get("overhead"), (pod.get("status") or {}).get("extendedResourceClaimStatus"))
    return repr((parts, more) if any(more) else parts)


def _thousandths(pod: Item) -> Counter[str]:
    by_claim = _by_claim((pod.get("status") or {}).get("extendedResourceClaimStatus"))
    asked = {name: number for name, number in pod_requests(pod["spec"]).items() if name not in by_claim}
    return Counter({name: ceil(number * 1000) for name, number in asked.items()} | {"pods": 1000})


def _by_claim(status: object) -> tuple[str, ...]:
    """Extended resources of a pod that a claim provides: counted there, and not again as requests."""
    rows = status.get("requestMappings") or () if isinstance(status, Mapping) else ()
    return tuple(sorted(str(row.get("resourceName")) for row in rows))


def _take(left: Amounts, used: Counter[str]) -> None:
    for name, thousandths in used.items():
        if name in left and thousandths:
            left[name] = _less(left[name], thousandths)


def _less(number: Fraction, thousandths: int) -> Fraction:
    whole, rest = divmod(thousandths, 1000)
    if rest or number.denominator != 1:
        return number - Fraction(thousandths, 1000)
    return Fraction(number.numerator - whole)  # bytes and devices: nothing to reduce


def _less_claims(case: Case, left: Mapping[str, Amounts]) -> None:
    held = Counter((node, driver) for node, driver, _, _ in allocated(case))
    for (node, driver), number in held.items():
        for resource in COUNTED_BY.get(driver, ()):
            if node in left and resource in left[node]:
                left[node][resource] -= number
    for node, devices in devices_left(case).items():
        if node in left:
            counted = Counter(device.driver for device in devices)
            left[node].update({driver: Fraction(number) for driver, number in counted.items()})
