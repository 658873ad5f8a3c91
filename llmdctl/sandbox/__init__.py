"""A whole cluster to try recipes on, without a GPU, a container runtime or root.

`up` starts a real control plane on loopback with simulated nodes; `down` leaves no process and no file. Pods are
placed by the real scheduler and become Ready, but no container runs, so no model is served: `SandboxStatus.notice`.
"""

from llmdctl.sandbox.components import COMPONENTS
from llmdctl.sandbox.fault_stages import Fault, FaultKind
from llmdctl.sandbox.faults import clear_faults, fault, faults
from llmdctl.sandbox.home import homes
from llmdctl.sandbox.nodes import SimulatedNodes, node_from_facet, parse_counts
from llmdctl.sandbox.plane import DEFAULT_NAME, audit_entries, down, logs, status, up
from llmdctl.sandbox.status import NOTICE, SandboxStatus, State

__all__ = [
    "COMPONENTS",
    "DEFAULT_NAME",
    "NOTICE",
    "Fault",
    "FaultKind",
    "SandboxStatus",
    "SimulatedNodes",
    "State",
    "audit_entries",
    "clear_faults",
    "down",
    "fault",
    "faults",
    "homes",
    "logs",
    "node_from_facet",
    "parse_counts",
    "status",
    "up",
]
