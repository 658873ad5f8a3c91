"""What `llmdctl verify` says of a release, in the form of its JSON report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from llmdctl import helm, kube
from llmdctl.release.verify import verify


def proofs(release: str, namespace: str, *, kubeconfig: Path) -> Mapping[str, Mapping[str, Any]]:
    """Code -> proof, whatever the outcomes are."""
    door, cluster = helm.open_helm(kubeconfig=kubeconfig), kube.connect(kubeconfig=kubeconfig)
    return {proof.code: asdict(proof) for proof in verify(release, namespace, helm=door, cluster=cluster).proofs}
