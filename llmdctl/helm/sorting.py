"""Helm's order of installation, for the embedded engine, which hands templates back unsorted.

Order and splitting as in helm.sh/helm/v4 `pkg/release/v1/util`: files by path, then stably by kind, unknown kinds
last by name. A parity test holds it against the helm programs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llmdctl.helm.manifest import parse_manifests, split_documents

_KINDS: Final = (
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
)
_RANK: Final = {kind: rank for rank, kind in enumerate(_KINDS)}


def in_install_order(files: Mapping[str, str]) -> tuple[str, tuple[dict[str, Any], ...]]:
    """Text and objects of rendered templates (path -> text), without notes, partials and hooks.

    Raises HelmError, naming the template, for a document that is no object.
    """
    documents: list[tuple[str, dict[str, Any] | None, str]] = []  # kind, object, text with its source
    for path in sorted(files):
        if path.rsplit("/", 1)[-1].startswith("_") or path.endswith("NOTES.txt"):
            continue
        for document in split_documents(files[path]):
            text = f"---\n# Source: {path}\n{document.lstrip()}\n"
            read = next(iter(parse_manifests(text)), None)
            if not _is_hook(read):
                documents.append((str((read or {}).get("kind", "")), read, text))
    documents.sort(key=lambda entry: (_RANK.get(entry[0], len(_RANK)), "" if entry[0] in _RANK else entry[0]))
    return "".join(text for _, _, text in documents), tuple(read for _, read, _ in documents if read is not None)


def _is_hook(read: dict[str, Any] | None) -> bool:
    metadata = (read or {}).get("metadata") or {}
    return "helm.sh/hook" in (metadata.get("annotations") or {})
