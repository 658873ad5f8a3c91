"""Controllers that run in a cluster, found among its Deployments by what they are, not only by how they are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from llmdctl.preflight.crd import Version, version

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case

Item = Mapping[str, Any]
SIMULATED: Final = "kwok.x-k8s.io/node"
"""The annotation of a node that kwok simulates; no process ever runs there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trait:
    """What a controller's Deployment looks like: one of these is enough, so that a mirror or another name is found."""

    images: tuple[str, ...] = ()  # the end of the repository's path: istio/pilot
    names: tuple[str, ...] = ()  # of the Deployment
    labels: tuple[tuple[str, str], ...] = ()


ISTIOD: Final = Trait(images=("pilot", "pilot-distroless", "istio-pilot-rhel9"), labels=(("app", "istiod"),))
AGENTGATEWAY: Final = Trait(
    images=("agentgateway-controller", "agentgateway/controller"), names=("agentgateway",),
    labels=(("app.kubernetes.io/name", "agentgateway"), ("agentgateway", "agentgateway")),
)  # fmt: skip
ENVOY_GATEWAY: Final = Trait(
    images=("envoyproxy/gateway",), names=("envoy-gateway",), labels=(("control-plane", "envoy-gateway"),)
)
ENVOY_AI_GATEWAY: Final = Trait(images=("ai-gateway-controller",), names=("ai-gateway-controller",))
LWS: Final = Trait(images=("lws/lws", "lws-rhel9"), names=("lws-controller-manager",))
KEDA: Final = Trait(images=("kedacore/keda",), names=("keda-operator",), labels=(("app", "keda-operator"),))
PROMETHEUS_OPERATOR: Final = Trait(images=("prometheus-operator",), names=("prometheus-operator",))
WELL_KNOWN: Final[Mapping[str, Trait]] = {
    "istio": ISTIOD,
    "agentgateway": AGENTGATEWAY,
    "envoy-gateway": ENVOY_GATEWAY,
    "envoy-ai-gateway": ENVOY_AI_GATEWAY,
    "lws": LWS,
    "keda": KEDA,
    "prometheus-operator": PROMETHEUS_OPERATOR,
}
"""Prerequisite of versions.yaml -> its controller. Labels and images as their charts of the pinned versions state."""


@dataclass(frozen=True, kw_only=True)
class Controller:
    """One Deployment."""

    item: Item

    @property
    def name(self) -> str:
        return str((self.item.get("metadata") or {}).get("name", ""))

    @property
    def namespace(self) -> str:
        return str((self.item.get("metadata") or {}).get("namespace", ""))

    @property
    def identity(self) -> str:
        """As evidence names it."""
        return f"Deployment/{self.namespace}/{self.name}"

    @property
    def labels(self) -> Mapping[str, str]:
        return (self.item.get("metadata") or {}).get("labels") or {}

    @cached_property
    def containers(self) -> tuple[Item, ...]:
        template = (self.item.get("spec") or {}).get("template") or {}
        return tuple((template.get("spec") or {}).get("containers") or ())

    @cached_property
    def pod_labels(self) -> Mapping[str, str]:
        template = (self.item.get("spec") or {}).get("template") or {}
        return (template.get("metadata") or {}).get("labels") or {}

    @property
    def available(self) -> bool:
        """Whether the Deployment says so."""
        status = self.item.get("status") or {}
        stated = {str(row.get("type")): str(row.get("status")) for row in status.get("conditions") or ()}
        return stated.get("Available") == "True" or (
            "Available" not in stated and int(status.get("availableReplicas") or 0) > 0
        )

    @cached_property
    def version(self) -> Version | None:
        """Of the image, else of the label; None where neither says."""
        tags = (_image(row)[1] for row in self.containers)
        found = (known for tag in tags if (known := version(tag)))
        return next(found, None) or version(self.labels.get("app.kubernetes.io/version"))

    def env(self, name: str) -> str | None:
        """The value of a variable that is written in the pod template; None where it is not."""
        for container in self.containers:
            for row in container.get("env") or ():
                if row.get("name") == name and "value" in row:
                    return str(row["value"])
        return None

    def shows(self, trait: Trait) -> bool:
        """Whether it looks like that controller."""
        repositories = [_image(row)[0] for row in self.containers]
        return (
            self.name in trait.names
            or any(self.labels.get(key) == value or self.pod_labels.get(key) == value for key, value in trait.labels)
            or any(each.endswith(f"/{image}") or each == image for each in repositories for image in trait.images)
        )


def _image(container: Item) -> tuple[str, str]:
    """Repository and tag of a container's image; a colon before the last slash is a registry's port."""
    named = str(container.get("image", "")).partition("@")[0]
    folder, slash, last = named.rpartition("/")
    name, _, tag = last.partition(":")
    return f"{folder}{slash}{name}", tag


def controllers(case: Case, trait: Trait) -> tuple[Controller, ...]:
    """The Deployments that look like one. Raises UnknowableError where Deployments could not be listed."""
    return tuple(each for each in case.controllers if each.shows(trait))


def simulated(case: Case) -> bool:
    """Whether every node is simulated, so that no controller could run. False where nodes are not known."""
    nodes = case.section("nodes") if case.reading("nodes").known else ()
    return bool(nodes) and all(SIMULATED in ((node.get("metadata") or {}).get("annotations") or {}) for node in nodes)
