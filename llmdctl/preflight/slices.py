"""Devices that DRA drivers publish: ResourceSlices of every served version as one shape.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/resource-slice-v1/ (v1beta2 is alike; in v1beta1
what describes a device stands under `basic`, https://github.com/kubernetes/api/blob/v0.32.0/resource/v1beta1/types.go)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from llmdctl.model.quantity import exact
from llmdctl.preflight.requests import Amounts

Item = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedDevice:
    """One device of a pool, wherever its slice stands in it."""

    driver: str
    pool: str
    name: str
    node: str  # empty: not bound to one node by its name
    attributes: Mapping[str, Any]  # bare names of the driver's own domain, full names of others -> string, int, bool
    capacity: Amounts  # by the same names, in whole units
    taints: tuple[Item, ...]

    def __hash__(self) -> int:
        return hash(self.identity)  # attributes are a mapping, which has no hash

    @property
    def identity(self) -> tuple[str, str, str]:
        """As an allocation names it: driver, pool, device."""
        return (self.driver, self.pool, self.name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """What is known of one pool: only slices of its newest generation count."""

    driver: str
    name: str
    complete: bool  # all slices that it says it has were seen
    devices: tuple[PublishedDevice, ...]
    nodes: frozenset[str]  # that its slices name


def pools(items: Iterable[Item]) -> tuple[Pool, ...]:
    """Every pool of every driver. Devices of an incomplete pool are listed, and are not to be counted on."""
    found: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        spec = _inner(item, "spec")
        stated = _inner(spec, "pool")
        found.setdefault((str(spec.get("driver", "")), str(stated.get("name", ""))), []).append(spec)
    return tuple(_pool(driver, name, specs) for (driver, name), specs in found.items())


def by_node(items: Iterable[Item]) -> Mapping[str, tuple[PublishedDevice, ...]]:
    """Node name -> the devices of its complete pools; a node whose pools are all incomplete has an empty entry."""
    found: dict[str, list[PublishedDevice]] = {}
    for pool in pools(items):
        for node in pool.nodes:
            found.setdefault(node, [])
        if pool.complete:
            for device in pool.devices:
                if device.node:
                    found.setdefault(device.node, []).append(device)
    return {node: tuple(devices) for node, devices in found.items()}


def _pool(driver: str, name: str, specs: list[Item]) -> Pool:
    newest = max(_generation(spec) for spec in specs)
    current = [spec for spec in specs if _generation(spec) == newest]
    wanted = max(_number(_inner(spec, "pool").get("resourceSliceCount")) or 1 for spec in current)
    devices = tuple(device for spec in current for device in _devices(driver, name, spec))
    return Pool(
        driver=driver,
        name=name,
        complete=len(current) >= wanted,
        devices=devices,
        nodes=frozenset(
            node
            for node in (*(str(spec.get("nodeName") or "") for spec in current), *(d.node for d in devices))
            if node
        ),
    )


def _generation(spec: Item) -> int:
    return _number(_inner(spec, "pool").get("generation"))


def _devices(driver: str, pool: str, spec: Item) -> Iterator[PublishedDevice]:
    for entry in _rows(spec.get("devices")):
        basic = entry.get("basic")
        body = basic if isinstance(basic, Mapping) else entry  # v1beta1
        yield PublishedDevice(
            driver=driver,
            pool=pool,
            name=str(entry.get("name", "")),
            node=str(spec.get("nodeName") or body.get("nodeName") or ""),
            attributes={_bare(key, driver): _value(value) for key, value in _inner(body, "attributes").items()},
            capacity=_capacity(body.get("capacity"), driver),
            taints=_rows(body.get("taints")),
        )


def _bare(name: str, driver: str) -> str:
    """`gpu.nvidia.com/productName` and `productName` are one name where the driver is gpu.nvidia.com."""
    return name.removeprefix(f"{driver}/")


def _value(stated: object) -> object:
    """`{string: NVIDIA H200}` -> the value; the type is its key."""
    if not isinstance(stated, Mapping):
        return stated
    return next(iter(stated.values()), None)


def _capacity(stated: object, driver: str) -> Amounts:
    found: Amounts = {}
    for name, quantity in (stated if isinstance(stated, Mapping) else {}).items():
        number = exact(quantity.get("value") if isinstance(quantity, Mapping) else quantity)
        if number is not None:
            found[_bare(str(name), driver)] = number
    return found


def _inner(outer: Item, key: str) -> Item:
    inner = outer.get(key)
    return inner if isinstance(inner, Mapping) else {}


def _rows(stated: object) -> tuple[Item, ...]:
    return tuple(row for row in stated if isinstance(row, Mapping)) if isinstance(stated, (list, tuple)) else ()


def _number(stated: object) -> int:
    return int(exact(stated) or 0)
