"""What `llmdctl verify` and `llmdctl doctor` say of a release that serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from tests.e2e.datapath.proving import proofs
from tests.e2e.datapath.serving import Serving
from tests.e2e.doctor.healthy import assert_healthy

Proved = Callable[..., Mapping[str, Mapping[str, Any]]]


def verified(serving: Serving, kubeconfig: Path, unknown: AbstractSet[str]) -> Mapping[str, Mapping[str, Any]]:
    """Its proofs by code. Nothing fails or warns, exactly `unknown` cannot be known, and doctor finds nothing."""
    assert_healthy(serving.cluster, serving.namespace, serving.release)
    found = proofs(serving.release, serving.namespace, kubeconfig=kubeconfig)
    doubtful = {code: proof["message"] for code, proof in found.items() if proof["outcome"] not in ("pass", "skip")}
    assert set(doubtful) == unknown, doubtful
    assert all(found[code]["outcome"] == "unknown" for code in unknown)
    return found
