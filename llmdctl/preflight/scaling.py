"""What scales a recipe's workloads: scalers that it renders, and those that the cluster has already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case

Item = Mapping[str, Any]
KINDS: Final = ("ScaledObject", "HorizontalPodAutoscaler")
NO_SCALER: Final = "the recipe scales nothing (--autoscaler none)"
_RELEASE: Final = "meta.helm.sh/release-name"
_NAMESPACE: Final = "meta.helm.sh/release-namespace"
_HPA_DEFAULT_S: Final = 300
"""https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#stabilization-window"""


@dataclass(frozen=True, kw_only=True)
class Scaler:
    """A ScaledObject or a HorizontalPodAutoscaler."""

    item: Item

    @property
    def kind(self) -> str:
        return str(self.item.get("kind", ""))

    @property
    def name(self) -> str:
        return str(self._metadata.get("name", ""))

    @property
    def namespace(self) -> str:
        return str(self._metadata.get("namespace", ""))

    @property
    def identity(self) -> str:
        """As evidence names it."""
        return f"{self.kind}/{self.namespace}/{self.name}"

    @property
    def target(self) -> tuple[str, str, str]:
        """(kind, namespace, name) of what it scales."""
        reference = self.spec.get("scaleTargetRef") or {}
        return str(reference.get("kind") or "Deployment"), self.namespace, str(reference.get("name", ""))

    @property
    def spec(self) -> Item:
        return self.item.get("spec") or {}

    @property
    def settle_s(self) -> int:
        """Seconds that fewer replicas must have been enough before one goes."""
        nested = (self.spec.get("advanced") or {}).get("horizontalPodAutoscalerConfig") or {}
        behavior = (self.spec if self.kind == KINDS[1] else nested).get("behavior") or {}
        stated = (behavior.get("scaleDown") or {}).get("stabilizationWindowSeconds")
        return _HPA_DEFAULT_S if stated is None else int(stated)

    def metrics(self, *types: str) -> tuple[Item, ...]:
        """The metrics of an HPA of some types."""
        return tuple(row for row in self.spec.get("metrics") or () if row.get("type") in types)

    @property
    def triggers(self) -> tuple[Item, ...]:
        """The triggers of a ScaledObject."""
        return tuple(self.spec.get("triggers") or ())

    def belongs_to(self, case: Case) -> bool:
        """Whether the release that is judged made it, itself or through KEDA."""
        noted = self._metadata.get("annotations") or {}
        if noted.get(_RELEASE) == case.release and noted.get(_NAMESPACE) == case.namespace:
            return True
        rendered = {(each.kind, each.namespace, each.name) for each in scalers(case)}
        owners = ((str(row.get("kind")), str(row.get("name"))) for row in self._metadata.get("ownerReferences") or ())
        return (self.kind, self.namespace, self.name) in rendered or any(
            (kind, self.namespace, name) in rendered for kind, name in owners
        )

    @property
    def made_by_keda(self) -> bool:
        """Whether it is the HPA of a ScaledObject, which is counted itself."""
        return any(row.get("kind") == KINDS[0] for row in self._metadata.get("ownerReferences") or ())

    @property
    def _metadata(self) -> Item:
        return self.item.get("metadata") or {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where a trigger asks."""

    text: str
    host: str
    port: int
    secure: bool

    @property
    def service(self) -> tuple[str, str] | None:
        """(namespace, name) of a Service of this cluster; None for any other host.

        https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/
        """
        parts = self.host.split(".")
        inside = len(parts) == 2 or (len(parts) > 2 and parts[2] == "svc")
        return (parts[1], parts[0]) if inside else None


def scalers(case: Case) -> tuple[Scaler, ...]:
    """Those that the recipe renders."""
    return tuple(Scaler(item=item) for item in case.rendered(*KINDS))


def live(case: Case) -> tuple[Scaler, ...]:
    """Those of the cluster. Raises UnknowableError where either kind could not be listed."""
    kinds = {"hpas": KINDS[1], "scaled-objects": KINDS[0]}
    return tuple(
        Scaler(item={"kind": kind, **item}) for section, kind in kinds.items() for item in case.section(section)
    )


def addresses(case: Case) -> Iterator[tuple[Scaler, Item, Address]]:
    """Every Prometheus that a rendered trigger asks: (scaler, trigger, address), each address once."""
    seen = set()
    for scaler in scalers(case):
        for trigger in scaler.triggers:
            text = str((trigger.get("metadata") or {}).get("serverAddress") or "")
            if trigger.get("type") == "prometheus" and text and text not in seen:
                seen.add(text)
                yield scaler, trigger, address(text)


def address(text: str) -> Address:
    """`https://thanos.monitoring.svc:9091` in its parts, with the scheme's port where none is stated."""
    parts = urlsplit(text)
    secure = parts.scheme == "https"
    return Address(text=text, host=parts.hostname or "", port=parts.port or (443 if secure else 80), secure=secure)
