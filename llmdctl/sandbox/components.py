"""The command lines of the control plane: pure, from ports and files to arguments.

Every listener is bound to 127.0.0.1. What is switched off, and why, stands beside the flag.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llmdctl.sandbox.home import Home

SERVICE_RANGE = "10.96.0.0/16"
POD_RANGE = "127.2.0.0/16"  # inside loopback: nothing that dials a simulated pod can leave the machine

ETCD = "etcd"
API_SERVER = "kube-apiserver"
CONTROLLER_MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
KWOK = "kwok"
LWS = "lws"
ROUTING = "routing"

PROGRAMS = (ETCD, API_SERVER, CONTROLLER_MANAGER, SCHEDULER, KWOK, LWS)
COMPONENTS = (*PROGRAMS, ROUTING)

_LEASE_S = 40  # of a node, as kubelet's
_SIMULATED_LEASE_S = 400  # renewed after a quarter of it; nobody waits for the death of a node that does not live
_PATIENCE_S = 500  # with such leases; by default all those nodes would be found lost between two renewals
# More threads would make these two wait for each other, and wake each other, more than they would speed them up.
_SINGLE_THREADED = frozenset({ETCD, CONTROLLER_MANAGER})
# How far the API server's heap may grow before it looks for garbage, in percent. Go's own 100 takes 280 MB less (571 of
# 849 after a start with 63 CRDs), and two seconds of a processor more until everything is served.
_HEAP_GROWTH = "200"

# component -> (user, groups) of its client certificate
USERS: dict[str, tuple[str, tuple[str, ...]]] = {
    CONTROLLER_MANAGER: ("system:kube-controller-manager", ()),
    SCHEDULER: ("system:kube-scheduler", ()),
    KWOK: ("llmdctl:kwok", ("system:masters",)),
    # The name its service account would have: the rights then are those that its own manifests grant.
    LWS: ("system:serviceaccount:lws-system:lws-controller-manager", ()),
    ROUTING: ("llmdctl:routing", ("system:masters",)),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """Listening ports, all on 127.0.0.1."""

    api_server: int
    etcd: int
    etcd_http: int
    etcd_peer: int
    controller_manager: int
    scheduler: int
    kwok: int
    lws_webhook: int
    lws_health: int
    # Of what `--with` adds; nobody listens on them otherwise.
    prometheus: int
    names: int
    keda_health: int
    keda_metrics: int
    keda_service: int
    keda_adapter: int


def arguments(
    component: str, *, home: Home, ports: Ports, node_address: str | None = None, definitions: Sequence[str] = ()
) -> list[str]:
    """The command line of one component, without its program.

    `node_address` is the real node's, None where all nodes are simulated: pods reach the API server there.
    `definitions` names the CRDs that the sandbox begins with.
    """
    if component == API_SERVER:
        return _api_server(home, ports, node_address, definitions)
    if component == CONTROLLER_MANAGER:
        return _controller_manager(home, ports, simulated=node_address is None)
    if component == KWOK:
        return _kwok(home, ports, simulated=node_address is None)
    make = {
        ETCD: _etcd,
        SCHEDULER: _scheduler,
        LWS: _lws,
        ROUTING: _routing,
    }[component]
    return make(home, ports)


def _flags(values: Mapping[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in values.items()]


def _etcd(home: Home, ports: Ports) -> list[str]:
    client, peer = f"https://127.0.0.1:{ports.etcd}", f"https://127.0.0.1:{ports.etcd_peer}"
    pair = {"cert-file": home.pki / "etcd.crt", "key-file": home.pki / "etcd.key"}
    trust = {"trusted-ca-file": home.pki / "ca.crt", "client-cert-auth": "true"}
    return _flags(
        {
            "name": home.name,
            "data-dir": home.path / "etcd",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            # Where one address serves both, gRPC goes through Go's HTTP server, which takes a third more time.
            "listen-client-http-urls": f"https://127.0.0.1:{ports.etcd_http}",
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"{home.name}={peer}",
            **pair,
            **trust,
            **{f"peer-{name}": value for name, value in (pair | trust).items()},
            "unsafe-no-fsync": "true",  # nothing here survives the machine, so nothing need reach the disk
            "log-level": "warn",
        }
    )


def _api_server(home: Home, ports: Ports, node_address: str | None, definitions: Sequence[str]) -> list[str]:
    pki = home.pki
    reach: dict[str, object] = {
        "bind-address": "127.0.0.1",
        "advertise-address": "127.0.0.1",
        "endpoint-reconciler-type": "none",  # loopback is not allowed in the endpoints it would write
    }
    if node_address is not None:  # all interfaces of the node's own network: loopback and the node's address
        reach = {"bind-address": "0.0.0.0", "advertise-address": node_address}
    return _flags(
        {
            "etcd-servers": f"https://127.0.0.1:{ports.etcd}",
            "etcd-cafile": pki / "ca.crt",
            "etcd-certfile": pki / "apiserver.crt",
            "etcd-keyfile": pki / "apiserver.key",
            **reach,
            "secure-port": ports.api_server,
            "tls-cert-file": pki / "apiserver.crt",
            "tls-private-key-file": pki / "apiserver.key",
            "client-ca-file": pki / "ca.crt",
            "service-account-key-file": pki / "service-accounts.pub",
            "service-account-signing-key-file": pki / "service-accounts.key",
            "service-account-issuer": "https://kubernetes.default.svc",
            "authorization-mode": "Node,RBAC",
            "service-cluster-ip-range": SERVICE_RANGE,
            "allow-privileged": "true",
            # Node names are no host names here, and must not be asked of the machine's resolver.
            "kubelet-preferred-address-types": "InternalIP",
            "kubelet-client-certificate": pki / "apiserver.crt",
            "kubelet-client-key": pki / "apiserver.key",
            "kubelet-certificate-authority": pki / "ca.crt",
            "requestheader-client-ca-file": pki / "ca.crt",
            "requestheader-allowed-names": "front-proxy",
            "requestheader-extra-headers-prefix": "X-Remote-Extra-",
            "requestheader-group-headers": "X-Remote-Group",
            "requestheader-username-headers": "X-Remote-User",
            "proxy-client-cert-file": pki / "front-proxy.crt",
            "proxy-client-key-file": pki / "front-proxy.key",
            "audit-policy-file": home.config / "audit-policy.json",
            "audit-log-path": home.audit_log,
            "audit-log-maxsize": 100,  # MB
            "audit-log-maxbackup": 1,
            # A cache for every version of every CRD, each with a connection to etcd of its own and a timer, would spare
            # etcd the few objects of such kinds that a sandbox ever holds.
            "watch-cache-sizes": ",".join(f"{name}#0" for name in definitions),
            "profiling": "false",
            "event-ttl": "1h",
        }
    )


def _controller_manager(home: Home, ports: Ports, *, simulated: bool) -> list[str]:
    own = home.kubeconfig_of(CONTROLLER_MANAGER)
    off = ["node-ipam-controller"]  # pods get their addresses from kwok
    patience: dict[str, object] = {}
    if simulated:  # pods are on loopback, which no Endpoints may name: each attempt would end in a refusal and an event
        off += ["endpoints-controller", "endpointslice-controller"]
        patience = {"node-monitor-grace-period": f"{_PATIENCE_S}s"}
    return _flags(
        {
            "kubeconfig": own,
            "authentication-kubeconfig": own,
            "authorization-kubeconfig": own,
            "bind-address": "127.0.0.1",
            "secure-port": ports.controller_manager,
            "tls-cert-file": home.pki / f"{CONTROLLER_MANAGER}.crt",
            "tls-private-key-file": home.pki / f"{CONTROLLER_MANAGER}.key",
            "service-account-private-key-file": home.pki / "service-accounts.key",
            "root-ca-file": home.pki / "ca.crt",
            "use-service-account-credentials": "true",
            "service-cluster-ip-range": SERVICE_RANGE,
            "controllers": ",".join(["*", *(f"-{name}" for name in off)]),
            "leader-elect": "false",
            "profiling": "false",
            **patience,
            "horizontal-pod-autoscaler-sync-period": "2s",  # 15 s spare a cluster with thousands of them
            # By default each controller allows itself 20 requests a second: 100 pods would take 5 s to make.
            "kube-api-qps": 200,
            "kube-api-burst": 400,
        }
    )


def _scheduler(home: Home, ports: Ports) -> list[str]:
    own = home.kubeconfig_of(SCHEDULER)
    return _flags(
        {
            "kubeconfig": own,
            "authentication-kubeconfig": own,
            "authorization-kubeconfig": own,
            "bind-address": "127.0.0.1",
            "secure-port": ports.scheduler,
            "tls-cert-file": home.pki / f"{SCHEDULER}.crt",
            "tls-private-key-file": home.pki / f"{SCHEDULER}.key",
            "leader-elect": "false",
            "profiling": "false",
        }
    )


def _kwok(home: Home, ports: Ports, *, simulated: bool) -> list[str]:
    return _flags(
        {
            "kubeconfig": home.kubeconfig_of(KWOK),
            "manage-all-nodes": "false",
            "manage-nodes-with-annotation-selector": "kwok.x-k8s.io/node=fake",
            "cidr": POD_RANGE,
            "node-ip": "127.0.0.1",
            "node-port": ports.kwok,
            "server-address": f"127.0.0.1:{ports.kwok}",  # --node-port alone listens on all interfaces
            "tls-cert-file": home.pki / f"{KWOK}.crt",
            "tls-private-key-file": home.pki / f"{KWOK}.key",
            "node-lease-duration-seconds": _SIMULATED_LEASE_S if simulated else _LEASE_S,
            # Stages and logs live in the cluster, so that a fault can be set and cleared while pods run.
            "enable-crds": "Stage,Logs,ClusterLogs",
        }
    )


def _lws(home: Home, ports: Ports) -> list[str]:
    del ports  # they are in its configuration file
    return _flags({"config": home.config / "lws.json", "kubeconfig": home.kubeconfig_of(LWS), "zap-log-level": "info"})


def _routing(home: Home, ports: Ports) -> list[str]:
    del ports
    return ["-m", "llmdctl.sandbox.routing", str(home.path)]


def environment(component: str) -> dict[str, str]:
    """What a component needs in its environment beyond what all have."""
    if component in _SINGLE_THREADED:
        return {"GOMAXPROCS": "1"}
    if component == API_SERVER:
        return {"GOGC": os.environ.get("GOGC", _HEAP_GROWTH)}
    if component != ROUTING:
        return {}
    # Our own package from where it runs now, installed or checkout, whatever the current folder is.
    return {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": "1"}


def lws_configuration(home: Home, ports: Ports) -> str:
    """The LWS controller's configuration: our certificate instead of one of its own, nothing off loopback."""
    return json.dumps(
        {
            "apiVersion": "config.lws.x-k8s.io/v1alpha1",
            "kind": "Configuration",
            "leaderElection": {"leaderElect": False},
            "internalCertManagement": {"enable": False},
            "webhook": {"host": "127.0.0.1", "port": ports.lws_webhook, "certDir": str(home.config / "lws-webhook")},
            "metrics": {"bindAddress": "0"},
            "health": {"healthProbeBindAddress": f"127.0.0.1:{ports.lws_health}"},
        },
        indent=2,
    )


def audit_policy(others: Sequence[str] = ()) -> str:
    """Who asked for what, for every request that people and their tools make.

    Left out are the control plane's own, and those of `others`, users of what runs beside it.
    """
    control_plane = [user for user, _ in USERS.values()] + ["system:apiserver", *others]
    return json.dumps(
        {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [
                {"level": "None", "users": control_plane},
                {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
                {"level": "None", "nonResourceURLs": ["/readyz*", "/livez*", "/healthz*"]},
                {"level": "Metadata"},
            ],
        },
        indent=2,
    )


def interpreter() -> Path:
    """The Python that runs our own component."""
    return Path(sys.executable)
