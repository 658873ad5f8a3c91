"""What a Prometheus says to the queries of autoscalers: the same server that KEDA asks, or one that the user names.

KEDA is given an address that the cluster resolves. A Service behind it is asked through one of its pods
(pods/portforward). One that selects no pods leads out of the cluster, where the API server takes nobody
(services/proxy wants a pod behind every address), and any other address may need credentials that are KEDA's alone:
these are asked only where the user names an address that can be asked from here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from llmdctl.errors import ClusterError, ForbiddenError, NoKubeletError, UnauthenticatedError
from llmdctl.kube import Cluster, KubernetesObject
from llmdctl.model.release import ObjectKey
from llmdctl.prometheus import Answer, Ask, Prometheus, QueryError
from llmdctl.release.verify.entrance import Entrance, through
from llmdctl.release.verify.scaling import Answered
from llmdctl.release.verify.triggers import triggers

_TIMEOUT_S: Final = 10.0
_IN_CLUSTER: Final = re.compile(r"^([a-z0-9-]+)\.([a-z0-9-]+)(\.svc(\..+)?)?$")
_BLIND: Final = (ForbiddenError, NoKubeletError, UnauthenticatedError)  # say something of us, nothing of Prometheus


class _BrokenWayError(Exception):
    """The address leads nowhere; the text says why."""


def answers(cluster: Cluster, scaled: Iterable[KubernetesObject], given: Ask | None) -> dict[str, Answered]:
    """`Trigger.key` -> what Prometheus says to its query now; nothing where nobody could ask."""
    found: dict[str, Answered] = {}
    for item in scaled:
        for trigger in triggers(item):
            answered = _answer(cluster, given, trigger.query, trigger.address)
            if answered is not None:
                found[trigger.key] = answered
    return found


def _answer(cluster: Cluster, given: Ask | None, query: str, address: str) -> Answered | None:
    try:
        way = given or _way(cluster, address)
        return None if way is None else Answered(value=Prometheus(way).number(query))
    except QueryError as error:
        return Answered(error=error.message)
    except _BLIND:
        return None
    except ClusterError as error:
        return Answered(error=error.message, reached=False)
    except _BrokenWayError as broken:
        return Answered(error=str(broken), reached=False)


def _way(cluster: Cluster, address: str) -> Ask | None:
    """To the Service that an address names; None for an address that leads out of this cluster.

    Only plain HTTP: a certificate of the cluster's own says nothing about the pod that is asked. Raises _BrokenWayError
    and the errors of `Cluster`.
    """
    parts = urlsplit(address)
    match = _IN_CLUSTER.match(parts.hostname or "")
    if match is None or parts.scheme != "http":
        return None
    name, namespace, number = match[1], match[2], parts.port or 80
    where, base = f"Service {namespace}/{name}", parts.path.rstrip("/")
    service = cluster.get(ObjectKey(api_version="v1", kind="Service", namespace=namespace, name=name))
    if service is None:
        raise _BrokenWayError(f"there is no {where}")
    spec = service.get("spec") or {}
    port = next((row for row in spec.get("ports") or () if row.get("port") == number), None)
    if port is None:
        raise _BrokenWayError(f"{where} has no port {number}")
    if spec.get("type") == "ExternalName" or not spec.get("selector"):
        return None
    place = through(cluster, namespace, spec["selector"], port.get("targetPort", number), where)
    if isinstance(place, str):
        raise _BrokenWayError(place)
    return _by_pod(cluster, place, base)


def _by_pod(cluster: Cluster, place: Entrance, base: str) -> Ask:
    def ask(path: str) -> Answer:
        reply = cluster.pods.request(
            place.namespace, place.pod, place.port, "GET", base + path, timeout_s=_TIMEOUT_S
        )  # fmt: skip
        return Answer(status=reply.status, body=reply.body)

    return ask
