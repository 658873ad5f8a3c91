"""Every proof: a module a family, listed here."""

from __future__ import annotations

from typing import Final

from llmdctl.release.verify.claim import Claim
from llmdctl.release.verify.proofs import (
    autoscaling,
    disaggregation,
    endpoint,
    engine,
    flow_control,
    kv_cache,
    placement,
    pool,
    prefix,
    scheduler,
    sleeping,
    streaming,
    transport,
)

CLAIMS: Final[dict[str, Claim]] = {
    claim.code: claim
    for family in (
        endpoint, scheduler, pool, prefix, disaggregation, kv_cache, transport, flow_control, autoscaling, sleeping,
        placement, streaming, engine,
    )
    for claim in family.PROOFS
}  # fmt: skip
"""Code -> claim, in the order of their codes."""
