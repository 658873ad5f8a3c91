"""Programs that listen for IPv4 in pods whose address is of IPv6: nobody can reach them, and no probe does.

Source: a pod's first address is of the cluster's first family, and the kubelet probes there
(https://kubernetes.io/docs/concepts/services-networking/dual-stack/).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from llmdctl.lint.recognition import VLLM, Engine
from llmdctl.release.doctor.scene import LivePod

EVERY: Final = "::"
OURS: Final = "Installed by llmdctl, it takes --set global.llmd.ipFamily=IPv6."


def deaf(pod: LivePod, listens: Sequence[str]) -> str:
    """What is wrong, in words; empty where nothing is, or where either address is not known."""
    own = str(pod.manifest.get("status", "podIP") or "")
    if ":" not in own or not listens or any(":" in address for address in listens):
        return ""
    return f"listens on {', '.join(sorted(set(listens)))}, and its pod has the address {own}"


def listens(engine: Engine | None) -> tuple[str, ...]:
    """Where an engine listens: vLLM without --host for IPv4 (create_server_socket of vLLM 0.32.0)."""
    if engine is None or not engine.line.complete:
        return ()
    stated = engine.line.value("--host")
    if stated is None and engine.name == VLLM and not engine.line.find("--host", "--config"):
        stated = "0.0.0.0"
    return (stated,) if stated and stated.replace(".", "").isdigit() else ()
