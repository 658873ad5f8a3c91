"""This machine: does the API server answer it, and may it see what it has to look at?"""

from __future__ import annotations

from llmdctl.model.hop import Hop, HopName
from llmdctl.release.doctor.case import Case
from llmdctl.release.doctor.verdicts import hidden, passed

_NEEDED = ("InferencePool", "Pod", "Service", "Deployment")


def judge(case: Case) -> Hop:
    """Unknown where this identity may not list what every later hop needs."""
    refused = case.scene.hidden(*_NEEDED)
    if refused is not None:
        return hidden(HopName.CLIENT, refused)
    version = f", Kubernetes {case.scene.version}" if case.scene.version else ""
    return passed(HopName.CLIENT, "", f"{case.scene.server or 'the API server'} answers{version}")
