"""The nodes that each role of a recipe could go to by its selectors, and what they offer of what it asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from llmdctl.model.check import Evidence
from llmdctl.model.device import Device
from llmdctl.preflight.identity import DRIVERS
from llmdctl.preflight.node import Node
from llmdctl.preflight.nodelocal import in_service
from llmdctl.preflight.nodeselection import chosen
from llmdctl.preflight.workload import COMPONENT_LABEL, PodTemplate

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case

SHOWN: Final = 12  # nodes that a result names; a pool of hundreds says the same again and again
NO_RECIPE: Final = "no recipe was named"
_DRIVER_OF: Final = {
    "nvidia.com/gpu": "gpu.nvidia.com",
    "amd.com/gpu": "gpu.amd.com",
    "gpu.intel.com/xe": "gpu.intel.com",
    "gpu.intel.com/i915": "gpu.intel.com",
    "habana.ai/gaudi": "gaudi.intel.com",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """One node with its accelerators."""

    node: Node
    device: Device

    def saw(self, observed: str, expected: str = "") -> Evidence:
        """The node as evidence."""
        return Evidence(object=self.node.identity, observed=observed, expected=expected)


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """Pods of a model server, and the nodes that they select."""

    template: PodTemplate
    resource: str  # extended resource or DRA driver; empty: it runs on the CPU
    count: int  # accelerators of one pod, in units of the resource
    selected: tuple[Candidate, ...]  # by node selector and required node affinity, whatever they offer
    offering: tuple[Candidate, ...]  # those of them with any of the resource
    usable: tuple[Candidate, ...]  # offering and in service: what the checks of hardware judge

    @property
    def role(self) -> str:
        """As messages name it, and as values do."""
        return self.template.labels.get(COMPONENT_LABEL) or self.template.role


def servers(case: Case) -> tuple[Server, ...]:
    """Every model server of the recipe; empty without one. Raises UnknowableError without nodes or slices."""
    listed = [template for template in case.workloads if template.is_model_server]
    return tuple(_server(case, template) for template in listed)


def accelerated(case: Case) -> tuple[Candidate, ...]:
    """Every node that has, or should have, accelerators. Raises UnknowableError without nodes or slices."""
    return tuple(each for each in case.hosts if each.device.count or each.device.product or each.device.excluded)


def everything(case: Case) -> tuple[Candidate, ...]:
    """Every node. Raises UnknowableError without nodes or slices."""
    return tuple(Candidate(node=node, device=case.devices[node.name]) for node in case.nodes)


def related(case: Case) -> tuple[Candidate, ...]:
    """The nodes with the recipe's accelerator, as far as they say; without a recipe all with accelerators."""
    all_of_them = accelerated(case)
    wanted = case.recipe.facets.get("accelerator") if case.recipe else None
    if wanted is None:
        return all_of_them
    if is_nameless(case, wanted):
        return together(each for server in case.servers for each in server.selected)
    return tuple(each for each in all_of_them if may_be(each.device, wanted))


def is_nameless(case: Case, facet: str) -> bool:
    """Whether a facet does not say how nodes name its accelerator, so that none can be told to have it."""
    facts = case.accelerators.get(facet, {})
    return bool(facts.get("resource")) and not facts.get("identity")


def may_be(device: Device, facet: str | None) -> bool:
    """Whether a node may have this accelerator: it says so, or says too little to rule it out."""
    return facet in (device.facet, *device.candidates) or not device.product


def some(candidates: Sized) -> str:
    """`1 node`, `4 nodes`."""
    return f"{len(candidates)} node" + ("" if len(candidates) == 1 else "s")


def together(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Each node once."""
    return tuple({each.node.name: each for each in candidates}.values())


def _server(case: Case, template: PodTemplate) -> Server:
    resource, count = _asked(case, template)
    selected = tuple(each for each in case.hosts if chosen(each.node, template.spec))
    offering = tuple(each for each in selected if not resource or _offers(case, each, resource))
    usable = tuple(each for each in offering if in_service(each.node))
    return Server(
        template=template, resource=resource, count=count, selected=selected, offering=offering, usable=usable
    )


def _asked(case: Case, template: PodTemplate) -> tuple[str, int]:
    for name in case.catalogue.resources:
        if template.requests.get(name):
            return name, int(template.requests[name])
    made = {obj["metadata"]["name"]: obj for obj in case.rendered("ResourceClaimTemplate")}
    counts: dict[str, int] = {}
    for row in template.spec.get("resourceClaims") or ():
        spec: Mapping[str, Any] = made.get(row.get("resourceClaimTemplateName"), {}).get("spec") or {}
        for request in ((spec.get("spec") or {}).get("devices") or {}).get("requests") or ():
            body = request.get("exactly") or request
            name = str(body.get("deviceClassName", ""))
            if name in DRIVERS:
                counts[name] = counts.get(name, 0) + int(body.get("count") or 1)
    return next(iter(counts.items()), ("", 0))


def _offers(case: Case, each: Candidate, resource: str) -> bool:
    if resource in DRIVERS:
        return each.device.resource == resource and each.device.count > 0
    if each.node.allocatable.get(resource):
        return True
    mapped = each.device.dra and each.device.resource == _DRIVER_OF.get(resource) and each.device.count > 0
    return mapped and any(
        (item.get("spec") or {}).get("extendedResourceName") == resource for item in case.section("device-classes")
    )
