"""What doctor says of a release without a fault: nothing."""

from __future__ import annotations

from llmdctl.kube import Cluster
from llmdctl.model.hop import HEALTHY
from llmdctl.release.doctor import diagnose, observe
from tests.e2e.doctor.seeding import told


def assert_healthy(cluster: Cluster, namespace: str, release: str) -> None:
    """Every chain of the release answers, no hop of it is broken or unknown, and nothing else is found beside it."""
    found = diagnose(
        observe(cluster, namespace=namespace, release=release), namespace=namespace, release=release
    )  # fmt: skip
    assert found.chains
    for chain in found.chains:
        assert chain.answered, told(chain)
        assert not chain.also, told(chain)
        assert not [hop for hop in chain.hops if hop.outcome.value in ("fail", "unknown")], told(chain)
    assert found.exit_code == HEALTHY
