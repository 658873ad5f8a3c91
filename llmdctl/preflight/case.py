"""What a rule is given: the inventory, what the recipe renders, and what follows from both."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from llmdctl.model.check import Placement, Platform
from llmdctl.model.device import Device
from llmdctl.model.finding import Report
from llmdctl.model.inventory import ABSENT, Inventory, Section, Seen
from llmdctl.model.recipe import Recipe
from llmdctl.preflight.controller import Controller
from llmdctl.preflight.crd import Crd
from llmdctl.preflight.node import Node
from llmdctl.preflight.requests import Amounts
from llmdctl.preflight.verdict import UnknowableError
from llmdctl.preflight.workload import PodTemplate, templates

if TYPE_CHECKING:
    from llmdctl.preflight.candidates import Candidate, Server
    from llmdctl.preflight.catalogue import Catalogue
    from llmdctl.preflight.slices import PublishedDevice

Item = Mapping[str, Any]
_OF_THE_PODS: Final = frozenset({"occupants", "choosy", "workloads", "free", "catalogue"})
_OF_THE_CLUSTER: Final = frozenset(
    {"occupants", "choosy", "nodes", "reached", "free", "crds", "devices", "kinds", "platform", "catalogue"}
)
"""Properties that do not go by what is rendered."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One recipe (or none) on one cluster. Everything derived is computed once, when a rule first asks for it."""

    inventory: Inventory
    objects: tuple[Item, ...] = ()  # as rendered, each with its namespace; empty without a recipe
    recipe: Recipe | None = None
    release: str = ""
    namespace: str = ""
    accelerators: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # facet name -> its facts
    linted: Report | None = None  # what the linter found in `objects`
    platform_stated: str | None = None  # --platform

    def section(self, name: str) -> tuple[Item, ...]:
        """The items of a section. Raises UnknowableError unless they are known."""
        found = self.inventory.section(name)
        if not found.known:
            raise UnknowableError(_cannot(name, found))
        if found.namespace and self.namespace and found.namespace != self.namespace:
            raise UnknowableError(f"{name}: only namespace {found.namespace} was read, not {self.namespace}")
        return found.items

    def reading(self, name: str) -> Section:
        """The section with its outcome, for a rule that can say something without it."""
        return self.inventory.section(name)

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Every node. Raises UnknowableError where they could not be listed."""
        return tuple(Node(item=item) for item in self.section("nodes"))

    @cached_property
    def catalogue(self) -> Catalogue:
        """What the labels of nodes name."""
        from llmdctl.preflight.catalogue import Catalogue

        return Catalogue.of(self.accelerators)

    @cached_property
    def crds(self) -> Mapping[str, Crd]:
        """Every CustomResourceDefinition by its name. Raises UnknowableError where they could not be listed."""
        return {crd.name: crd for crd in (Crd(item=item) for item in self.section("crds"))}

    @cached_property
    def controllers(self) -> tuple[Controller, ...]:
        """Every Deployment, as a controller is looked for. Raises UnknowableError where they could not be listed."""
        return tuple(Controller(item=item) for item in self.section("deployments"))

    @cached_property
    def workloads(self) -> tuple[PodTemplate, ...]:
        """What the recipe would run."""
        return templates(self.objects)

    @cached_property
    def kinds(self) -> Mapping[str, Hashable]:
        """Node name -> what is equal for nodes that are alike. Raises UnknowableError without nodes."""
        from llmdctl.preflight.likeness import likeness

        words = self.catalogue.vocabularies
        return {node.name: likeness(node, words) for node in self.nodes}

    @cached_property
    def devices(self) -> Mapping[str, Device]:
        """Node name -> what its accelerators are, for every node. Raises UnknowableError without nodes."""
        from llmdctl.preflight.identity import devices

        return devices(self)

    @cached_property
    def hosts(self) -> tuple[Candidate, ...]:
        """Every node with its accelerators. Raises UnknowableError without nodes or slices."""
        from llmdctl.preflight.candidates import everything

        return everything(self)

    @cached_property
    def servers(self) -> tuple[Server, ...]:
        """Model servers with the nodes that they select. Raises UnknowableError without nodes or slices."""
        from llmdctl.preflight.candidates import servers

        return servers(self)

    @cached_property
    def against(self) -> Mapping[str, Mapping[str, str]]:
        """Node name -> code -> what speaks against it. Raises UnknowableError without nodes or slices."""
        from llmdctl.preflight.nodefindings import node_findings

        return node_findings(self, self.devices)

    @cached_property
    def within_reach(self) -> tuple[tuple[Node, ...], ...]:
        """For each of `workloads` the nodes with its accelerators that it may go to. Raises UnknowableError."""
        from llmdctl.preflight.interconnect import within_reach

        return within_reach(self)

    @cached_property
    def published_cards(self) -> Mapping[str, tuple[PublishedDevice, ...]]:
        """Node name -> RDMA cards in ResourceSlices. Raises UnknowableError without these."""
        from llmdctl.preflight.interconnect import published_cards

        return published_cards(self)

    @cached_property
    def platform(self) -> Platform:
        """Whose Kubernetes it is; never raises, its name is `generic` and its confidence unknown at worst."""
        from llmdctl.preflight.platform import detect

        return detect(self)

    @cached_property
    def reached(self) -> dict[str, Mapping[str, str]]:
        """What `capacity.eligible` has answered, by what it goes by."""
        return {}

    @cached_property
    def occupants(self) -> tuple[tuple[str, Item], ...]:
        """(node name, pod) of every pod that holds something of a node. Raises UnknowableError without pods."""
        from llmdctl.preflight.capacity import occupants

        return tuple(occupants(self))

    @cached_property
    def choosy(self) -> tuple[tuple[str, Item], ...]:
        """Those of `occupants` that choose their neighbours. Raises UnknowableError without pods."""
        return tuple((name, pod) for name, pod in self.occupants if "affinity" in (pod.get("spec") or ()))

    def having(self, objects: tuple[Item, ...]) -> Case:
        """The same cluster with another recipe: what follows from the cluster alone is not computed again."""
        trial = replace(self, objects=objects)
        vars(trial).update({name: value for name, value in vars(self).items() if name in _OF_THE_CLUSTER})
        return trial

    def on(self, nodes: tuple[Node, ...]) -> Case:
        """The same recipe and pods on some of the nodes; what is free of nodes that are new here is not in `free`."""
        listed = Section(seen=Seen.OK, items=tuple(node.item for node in nodes))
        trial = replace(self, inventory=replace(self.inventory, sections={**self.inventory.sections, "nodes": listed}))
        kept = {name: value for name, value in vars(self).items() if name in _OF_THE_PODS}
        vars(trial).update(kept | {"nodes": nodes})
        return trial

    @cached_property
    def free(self) -> Mapping[str, Amounts]:
        """Node name -> what is left of it for new pods. Raises UnknowableError without nodes or pods."""
        from llmdctl.preflight.capacity import free

        return free(self)

    @cached_property
    def placement(self) -> Placement:
        """Where every pod of the recipe would go; never raises, its outcome is unknown at worst."""
        from llmdctl.preflight.placement import place

        return place(self)

    def rendered(self, *kinds: str) -> Iterator[Item]:
        """The recipe's objects of some kinds."""
        return (obj for obj in self.objects if obj.get("kind") in kinds)


def _cannot(name: str, section: Section) -> str:
    if section is ABSENT or not section.reason:
        return f"{name}: {ABSENT.reason}"
    return f"{name}: {section.seen.value}: {section.reason}"
