"""The accelerators of one node: all alike, or said to be not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """What a node's accelerators are, and from where that is known."""

    node: str
    facet: str | None  # accelerator facet; None: not resolved, or no accelerator at all
    product: str  # canonical, such as H100 or A100-80; empty when unknown
    key: str  # the label, attribute or resource it was read from; empty when nothing says
    memory_mib: int | None  # of one device; None: not known
    memory_source: str  # a key, or `catalogue`
    resource: str  # extended resource or DRA driver that counts them; empty where there is none
    count: int  # allocatable devices (of DRA: published)
    dra: bool = False  # counted by ResourceSlices
    driver: str = ""  # version
    compute_capability: str = ""  # such as 9.0
    sharing: str = ""  # time-slicing, mps, mig-single, mig-mixed, mig-invalid, vgpu; empty: whole devices
    clique: str = ""  # NVLink domain beyond the node
    rdma: Mapping[str, str] = field(default_factory=dict)  # resource -> allocatable, as written
    excluded: Mapping[str, str] = field(default_factory=dict)  # code -> why no recipe should use this node now
    candidates: tuple[str, ...] = ()  # facets that it may be, where the node does not say enough
