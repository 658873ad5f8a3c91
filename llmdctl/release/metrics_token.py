"""A token that may read the endpoint picker's metrics, where those ask for one.

With --metrics-endpoint-auth the endpoint picker asks the API server whether the bearer of a token may `get /metrics`.
The caller's own credentials never leave this machine: a ten-minute token (TokenRequest) of a service account that may
read metrics is asked for instead: the one that the scheduler's chart makes for this (`metricsReader`), another one of
the release's namespace, or that of a Prometheus. Of the first it is known that it may; of the others the API server is
asked, which takes a right of its own.
"""

from __future__ import annotations

from typing import Final

from llmdctl.errors import ClusterError
from llmdctl.kube import Cluster

_SECONDS: Final = 600  # the shortest that the API grants
_REVIEWS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_MOST: Final = 12  # service accounts that are asked about
_READER: Final = {"app.kubernetes.io/component": "metrics-reader"}  # of the scheduler's chart
_PROMETHEUS: Final = {"app.kubernetes.io/name": "prometheus"}


def metrics_token(cluster: Cluster, namespace: str) -> tuple[str, str]:
    """(token, reason): a token, or an empty string and why there is none."""
    try:
        for account in cluster.list_objects("v1", "ServiceAccount", namespace=namespace, labels=_READER, limit=1):
            return _token(cluster, namespace, str(account["metadata"]["name"])), ""
        for owner, name in _candidates(cluster, namespace):
            if _may_read(cluster, owner, name):
                return _token(cluster, owner, name), ""
    except ClusterError as error:
        return "", f"its metrics ask for a token, and none can be had: {error.message}"
    return "", (
        "its metrics ask for a token, and no service account here may read /metrics (guides/verify.md: how one may)"
    )


def _candidates(cluster: Cluster, namespace: str) -> list[tuple[str, str]]:
    own = cluster.list_objects("v1", "ServiceAccount", namespace=namespace, metadata_only=True, limit=_MOST)
    found = [(namespace, str(account["metadata"]["name"])) for account in own]
    try:
        pods = cluster.list_objects("v1", "Pod", labels=_PROMETHEUS, limit=_MOST)
    except ClusterError:
        return found  # of other namespaces nothing may be seen
    of_pods = ((str(p["metadata"]["namespace"]), (p.get("spec") or {}).get("serviceAccountName")) for p in pods)
    return list(dict.fromkeys([*found, *((place, str(name)) for place, name in of_pods if name)]))


def _may_read(cluster: Cluster, namespace: str, name: str) -> bool:
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{namespace}:{name}",
            "groups": ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"],
            "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
        },
    }
    what = "ask who may read metrics"
    answer = cluster.exchange("POST", _REVIEWS, body=body).checked(what=what).document(what=what)
    return bool((answer.get("status") or {}).get("allowed"))


def _token(cluster: Cluster, namespace: str, name: str) -> str:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": _SECONDS},
    }
    what = f"ask for a token of {namespace}/{name}"
    answer = cluster.exchange("POST", path, body=body).checked(what=what).document(what=what)
    return str((answer.get("status") or {}).get("token", ""))
