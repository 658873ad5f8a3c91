"""A whole cluster to try recipes on, without a GPU or a container runtime; a real node alone needs root.

`up` starts a real control plane on loopback with simulated nodes, and one real node where asked for; `down` leaves no
process and no file. Pods are placed by the real scheduler; those on simulated nodes become Ready, but no container of
theirs runs; on a real node they serve, with a simulated engine: `SandboxStatus.notice`.
"""

from llmdctl.sandbox.components import COMPONENTS
from llmdctl.sandbox.extras import parse as parse_extras
from llmdctl.sandbox.fault_stages import Fault, FaultKind
from llmdctl.sandbox.faults import clear_faults, fault, faults
from llmdctl.sandbox.home import homes
from llmdctl.sandbox.node import RealNode
from llmdctl.sandbox.node import machine as real_node
from llmdctl.sandbox.node import parse as parse_real
from llmdctl.sandbox.nodes import SimulatedNodes, node_from_facet, parse_counts
from llmdctl.sandbox.plane import DEFAULT_NAME, audit_entries, down, forwarded, logs, status, up, values
from llmdctl.sandbox.status import NOTICE, SandboxStatus, State

__all__ = [
    "COMPONENTS",
    "DEFAULT_NAME",
    "NOTICE",
    "Fault",
    "FaultKind",
    "RealNode",
    "SandboxStatus",
    "SimulatedNodes",
    "State",
    "audit_entries",
    "clear_faults",
    "down",
    "fault",
    "faults",
    "forwarded",
    "homes",
    "logs",
    "node_from_facet",
    "parse_counts",
    "parse_extras",
    "parse_real",
    "real_node",
    "status",
    "up",
    "values",
]
