"""The objects of one namespace that a linter can judge, as they are in the cluster now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from llmdctl.errors import ForbiddenError
from llmdctl.kube import Cluster, KubernetesObject
from llmdctl.release.reading import at_once

_KINDS: Final = (
    ("v1", "ConfigMap"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("v1", "PersistentVolumeClaim"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet"),
    ("disaggregatedset.x-k8s.io/v1", "DisaggregatedSet"),
    ("inference.networking.k8s.io/v1", "InferencePool"),
    ("llm-d.ai/v1alpha2", "InferenceObjective"),
    ("llm-d.ai/v1alpha2", "InferenceModelRewrite"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("gateway.networking.k8s.io/v1", "GRPCRoute"),
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("keda.sh/v1alpha1", "ScaledObject"),
    ("monitoring.coreos.com/v1", "PodMonitor"),
    ("monitoring.coreos.com/v1", "ServiceMonitor"),
    ("monitoring.coreos.com/v1", "PrometheusRule"),
    ("monitoring.googleapis.com/v1", "PodMonitoring"),
    ("networking.gke.io/v1", "GCPBackendPolicy"),
    ("resource.k8s.io/v1", "ResourceClaimTemplate"),
)
"""What rules look at. Secrets are left out: names of them alone are never worth the right to list them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveObjects:
    """What was read, and the kinds that may not be read with these credentials."""

    objects: tuple[Mapping[str, Any], ...]
    forbidden: tuple[str, ...]


def live_objects(cluster: Cluster, namespace: str) -> LiveObjects:
    """The objects of a namespace, kinds that the server does not have left out.

    Raises the other errors of `Cluster.list_objects`.
    """
    served = cluster.served()
    kinds = [kind for kind in _KINDS if served.find(*kind) is not None]
    answers = at_once(lambda kind: _read(cluster, namespace, *kind), kinds)
    forbidden = [kind for (_, kind), answer in zip(kinds, answers, strict=True) if answer is None]
    objects = [
        {"apiVersion": version, "kind": kind, **item}
        for (version, kind), answer in zip(kinds, answers, strict=True)
        for item in answer or ()
    ]
    return LiveObjects(objects=tuple(objects), forbidden=tuple(forbidden))


def _read(cluster: Cluster, namespace: str, version: str, kind: str) -> tuple[KubernetesObject, ...] | None:
    try:
        return cluster.list_objects(version, kind, namespace=namespace)
    except ForbiddenError:
        return None
