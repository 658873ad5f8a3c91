"""One real node beside a sandbox's control plane: containerd, kubelet and kube-proxy in namespaces of their own.

Nothing of the host changes: network, mounts, process numbers and kernel parameters are the namespaces', files lie in
the sandbox's home, and the one cgroup outside goes with `down`.
"""

from llmdctl.sandbox.node.machine import RealNode, machine, parse

__all__ = ["RealNode", "machine", "parse"]
