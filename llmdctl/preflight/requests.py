"""What a pod takes from a node: the scheduler's own arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from llmdctl.model.quantity import exact

Amounts = dict[str, Fraction]


def amounts(stated: object) -> Amounts:
    """Resource -> number, in whole units (cores, bytes, devices); what cannot be read is left out."""
    if not isinstance(stated, Mapping):
        return {}
    return dict(_read(tuple((str(name), quantity) for name, quantity in stated.items() if _is_quantity(quantity))))


def _is_quantity(written: object) -> bool:
    return isinstance(written, (str, int, float)) and not isinstance(written, bool)


@lru_cache(maxsize=4096)  # nodes of one sort, and containers of one image, write the same
def _read(stated: tuple[tuple[str, str | int | float], ...]) -> tuple[tuple[str, Fraction], ...]:
    read = ((name, exact(quantity)) for name, quantity in stated)
    return tuple((name, number) for name, number in read if number is not None)


def pod_requests(spec: Mapping[str, Any]) -> Amounts:
    """Effective requests of one pod, overhead included, without the pod itself (`pods: 1`).

    max(sum of containers and sidecars, the largest init container with the sidecars started before it) + overhead; a
    request that a container leaves out is its limit; requests of the pod as a whole take the place of the sum.
    https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers
    https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
    """
    running: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        asked = container_requests(container)
        if container.get("restartPolicy") == "Always":
            running = _sum((running, asked))
            peak = _largest((peak, running))
        else:
            peak = _largest((peak, _sum((running, asked))))
    for container in spec.get("containers") or ():
        running = _sum((running, container_requests(container)))
    needed = _largest((peak, running))
    whole = spec.get("resources")
    if isinstance(whole, Mapping):
        needed = {**needed, **amounts(whole.get("limits")), **amounts(whole.get("requests"))}
    return _sum((needed, amounts(spec.get("overhead"))))


def container_requests(container: Mapping[str, Any]) -> Amounts:
    """Requests of one container, limits where it states none."""
    stated = container.get("resources")
    if not isinstance(stated, Mapping):
        return {}
    return {**amounts(stated.get("limits")), **amounts(stated.get("requests"))}


def _sum(parts: Iterable[Amounts]) -> Amounts:
    total: Amounts = {}
    for part in parts:
        for name, number in part.items():
            total[name] = total.get(name, Fraction(0)) + number
    return total


def _largest(parts: Iterable[Amounts]) -> Amounts:
    most: Amounts = {}
    for part in parts:
        for name, number in part.items():
            most[name] = max(most.get(name, number), number)
    return most
