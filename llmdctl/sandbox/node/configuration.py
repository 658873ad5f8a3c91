"""The daemons' configuration: pure, from files and sizes to texts. JSON, which every reader of YAML takes."""

from __future__ import annotations

import json
import resource
from typing import Any

from llmdctl.sandbox.node import layout
from llmdctl.sandbox.node.layout import Layout
from llmdctl.sandbox.node.machine import RealNode
from llmdctl.sandbox.node.tools import Tools

_OPEN_FILES = 1_000_000  # kubelet's own default; more than a machine's hard limit is an error to it
_EVICTIONS = (
    "memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree",
)  # fmt: skip


def kubelet(place: Layout, node: RealNode) -> str:
    """KubeletConfiguration. What differs from the defaults has its reason beside it."""
    size = node.capacity
    pki = place.home.pki
    settings: dict[str, Any] = {
        "containerRuntimeEndpoint": f"unix://{layout.CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",  # systemd's would need the machine's systemd
        "cgroupRoot": f"/{place.cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,  # a lower one needs CAP_SYS_RESOURCE
        "maxOpenFiles": min(_OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
        "maxPods": node.pods,
        "kubeReserved": {
            "cpu": f"{size.reserved_millicpu}m",
            "memory": f"{size.reserved_memory_bytes}",
        },
        # The machine is smaller than what it claims, and its disk is somebody's: nothing is evicted or collected.
        "evictionHard": dict.fromkeys(_EVICTIONS, "0%"),
        "imageGCHighThresholdPercent": 100,
        "localStorageCapacityIsolation": False,  # the disk is claimed too, so kubelet must neither report nor limit it
        "enforceNodeAllocatable": ["pods"],
        "resolvConf": str(place.file("resolv.conf")),
        "clusterDomain": layout.CLUSTER_DOMAIN,
        "clusterDNS": [layout.DNS_ADDRESS],
        "volumePluginDir": str(place.root / "volume-plugins"),
        "tlsCertFile": str(pki / f"{layout.KUBELET}.crt"),
        "tlsPrivateKeyFile": str(pki / f"{layout.KUBELET}.key"),
        "rotateCertificates": False,
        "serverTLSBootstrap": False,
        "authentication": {
            "anonymous": {"enabled": False},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
            "webhook": {"enabled": True},
        },
        "authorization": {"mode": "Webhook"},
        "nodeStatusUpdateFrequency": "4s",
        "nodeStatusReportFrequency": "4s",
        "serializeImagePulls": False,
        "registerNode": True,
    }
    return _document("kubelet.config.k8s.io/v1beta1", "KubeletConfiguration", settings)


def kube_proxy(place: Layout, node: RealNode) -> str:
    """KubeProxyConfiguration. The limits of connection tracking belong to the machine and cannot be set from here."""
    unlimited = {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}
    settings: dict[str, Any] = {
        "mode": "iptables",
        "clusterCIDR": layout.POD_RANGE,
        "hostnameOverride": node.name,
        "bindAddress": layout.ADDRESS,
        "clientConnection": {"kubeconfig": str(place.home.kubeconfig_of(layout.KUBE_PROXY))},
        "oomScoreAdj": 0,
        "conntrack": unlimited,
        "iptables": {"minSyncPeriod": "100ms"},  # a second's wait is for clusters with thousands of services
    }
    return _document("kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration", settings)


def network(place: Layout) -> str:
    """The CNI configuration: a routed pair of interfaces a pod.

    Not a bridge: traffic between two pods of a bridge passes kube-proxy's rules only with br_netfilter, a kernel module
    that the host would have to load.
    """
    del place
    addresses = {
        "type": "host-local",
        "dataDir": "/run/cni-addresses",
        "ranges": [[{"subnet": layout.POD_RANGE}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    plugins = [
        {"type": "ptp", "ipMasq": False, "ipam": addresses},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    return json.dumps({"cniVersion": "0.4.0", "name": "node", "plugins": plugins}, indent=2)


def containerd(place: Layout, tools: Tools, *, pause: str) -> str:
    """containerd's configuration in version 2, which 1.6 to 2.x read; `pause` is the image of a pod's first process."""
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    runc = f"{cri}.containerd.runtimes.runc"
    tables: dict[str, dict[str, object]] = {
        "": {"version": 2, "root": str(place.containerd), "state": "/run/containerd", "oom_score": 0},
        "grpc": {"address": layout.CONTAINERD_SOCKET},
        cri: {
            "sandbox_image": pause,
            "restrict_oom_score_adj": True,  # a lower one needs CAP_SYS_RESOURCE
            "enable_unprivileged_ports": True,  # as containerd 2 does by default
            "enable_unprivileged_icmp": True,
        },
        f"{cri}.cni": {"bin_dir": str(tools.plugins), "conf_dir": str(place.network)},
        f"{cri}.containerd": {"snapshotter": "overlayfs"},
        runc: {"runtime_type": "io.containerd.runc.v2"},
        f"{runc}.options": {"SystemdCgroup": False, "BinaryName": str(place.tools / "runc")},
    }
    return "\n".join(line for name, values in tables.items() for line in _table(name, values))


def _table(name: str, values: dict[str, object]) -> list[str]:
    """One table of TOML; its strings, numbers and booleans are written as JSON's."""
    lines = [f"[{name}]"] if name else []
    return [*lines, *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""]


def _document(version: str, kind: str, settings: dict[str, Any]) -> str:
    return json.dumps({"apiVersion": version, "kind": kind, **settings}, indent=2)
