"""The only door to Kubernetes' API.

Requests are made here, over urllib3; the official client, which takes a third of a second to import, is asked for
credentials that it alone can get (`credentials`). Secrets are never read: every read of one asks the server for its
metadata alone.
"""

from llmdctl.kube.connecting import connect
from llmdctl.kube.crds import ensure_crds
from llmdctl.kube.door import FIELD_MANAGER, Cluster, KubernetesObject, key_of
from llmdctl.kube.forwarding import PodHttp, Reply, Streamed
from llmdctl.kube.inventory import CAPTURE_TIMEOUT_S, capture
from llmdctl.kube.kubeconfig import Connection, connection
from llmdctl.kube.served import Resource, Served

__all__ = [
    "CAPTURE_TIMEOUT_S",
    "FIELD_MANAGER",
    "Cluster",
    "Connection",
    "KubernetesObject",
    "PodHttp",
    "Reply",
    "Resource",
    "Served",
    "Streamed",
    "capture",
    "connect",
    "connection",
    "ensure_crds",
    "key_of",
]
