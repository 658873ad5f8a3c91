"""Is what was installed for really happening? Proofs over a running release: facts are observed once, then judged."""

from llmdctl.release.verify.claim import FAMILIES, Claim
from llmdctl.release.verify.prompts import BUDGET
from llmdctl.release.verify.proofs import CLAIMS
from llmdctl.release.verify.selecting import selected
from llmdctl.release.verify.verifying import prove, verify

__all__ = ["BUDGET", "CLAIMS", "FAMILIES", "Claim", "prove", "selected", "verify"]
