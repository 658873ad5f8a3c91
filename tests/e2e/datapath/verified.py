"""What `llmdctl verify` says of a release that serves, run by somebody who may read the scheduler's metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from tests.e2e.datapath.proving import proofs
from tests.e2e.datapath.serving import Serving

Proved = Callable[..., Mapping[str, Mapping[str, Any]]]
_RBAC = "rbac.authorization.k8s.io"


def verified(serving: Serving, kubeconfig: Path, unknown: AbstractSet[str]) -> Mapping[str, Mapping[str, Any]]:
    """Its proofs by code. Nothing fails or warns, and exactly `unknown` cannot be known."""
    found = proofs(serving.release, serving.namespace, kubeconfig=kubeconfig)
    doubtful = {code: proof["message"] for code, proof in found.items() if proof["outcome"] not in ("pass", "skip")}
    assert set(doubtful) == unknown, doubtful
    assert all(found[code]["outcome"] == "unknown" for code in unknown)
    return found


def reader(namespace: str) -> list[dict[str, Any]]:
    """A service account of the namespace that may read metrics, as a Prometheus has one. The role stays."""
    role = "metrics-reader"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": role, "namespace": namespace}},
        {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": role},
         "rules": [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]},
        {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": f"{role}-{namespace}"},
         "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role},
         "subjects": [{"kind": "ServiceAccount", "name": role, "namespace": namespace}]},
    ]  # fmt: skip
