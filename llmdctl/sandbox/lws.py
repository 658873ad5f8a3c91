"""The manifests of the LeaderWorkerSet controller, for a controller that runs as a plain process beside the plane."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from llmdctl import programs

NAMESPACE = "lws-system"
_PREFIX = "lws-"  # its kustomization prefixes every name
_FILES = (
    "config/rbac/service_account.yaml",
    "config/rbac/role.yaml",
    "config/rbac/role_binding.yaml",
    "config/webhook/manifests.yaml",
)
_PATCHES = {
    "MutatingWebhookConfiguration": "config/webhook/mutating-patch.yaml",
    "ValidatingWebhookConfiguration": "config/webhook/validating-patch.yaml",
}


def objects(*, webhook_port: int, authority: Path, report: programs.Reporter = programs.silent) -> list[dict[str, Any]]:
    """Namespace, rights and webhook configurations, from the pinned module. Raises ProgramError."""
    documents = programs.manifests("lws", *_FILES, report=report)
    bundle = base64.b64encode(authority.read_bytes()).decode()
    found: list[dict[str, Any]] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}]
    for document in documents:
        placed = _placed(document)
        if placed["kind"] in _PATCHES:
            _replace_webhooks(placed, programs.manifests("lws", _PATCHES[placed["kind"]], report=report)[0])
            _point_at(placed["webhooks"], webhook_port, bundle)
        found.append(placed)
    return found


def _placed(document: dict[str, Any]) -> dict[str, Any]:
    """The object with the name, namespace and references that the project's own kustomization gives it."""
    metadata = document["metadata"]
    placed = document | {"metadata": {"name": _PREFIX + metadata["name"]}}
    if "namespace" in metadata:
        placed["metadata"]["namespace"] = NAMESPACE
    if "roleRef" in document:
        placed["roleRef"] = document["roleRef"] | {"name": _PREFIX + document["roleRef"]["name"]}
        placed["subjects"] = [
            subject | {"name": _PREFIX + subject["name"], "namespace": NAMESPACE} for subject in document["subjects"]
        ]
    return placed


def _replace_webhooks(configuration: dict[str, Any], patch: Iterable[dict[str, Any]]) -> None:
    """Apply the kustomization's patch, which narrows the pod webhooks to pods of a LeaderWorkerSet."""
    for operation in patch:
        index = int(operation["path"].removeprefix("/webhooks/"))
        configuration["webhooks"][index] = operation["value"]


def _point_at(webhooks: Iterable[dict[str, Any]], port: int, bundle: str) -> None:
    for webhook in webhooks:
        path = webhook["clientConfig"]["service"]["path"]
        webhook["clientConfig"] = {"url": f"https://127.0.0.1:{port}{path}", "caBundle": bundle}
