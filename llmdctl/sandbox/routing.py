"""The sandbox's gateway controller: watches, has `verdicts` decide, writes what differs. A process of its own.

Run as `python -m llmdctl.sandbox.routing HOME`. It keeps a copy of six kinds, up to date by one watch each, and looks
at all of them after every change: a sandbox holds dozens of such objects, not thousands.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

from llmdctl.errors import ClusterError
from llmdctl.sandbox import components, furnish, record, verdicts
from llmdctl.sandbox.api import Api, NotFound, Object, Resource
from llmdctl.sandbox.certificates import Pair
from llmdctl.sandbox.home import Home
from llmdctl.sandbox.mirror import Mirror
from llmdctl.sandbox.verdicts import Cluster

_GATEWAY_API = "apis/gateway.networking.k8s.io/v1"
KINDS: dict[str, Resource] = {
    "classes": Resource(path=_GATEWAY_API, plural="gatewayclasses"),
    "gateways": Resource(path=_GATEWAY_API, plural="gateways"),
    "routes": Resource(path=_GATEWAY_API, plural="httproutes"),
    "pools": Resource(path="apis/inference.networking.k8s.io/v1", plural="inferencepools"),
    "services": Resource(path="api/v1", plural="services"),
}
_JUDGES: dict[str, Callable[[Cluster, Object], Object | None]] = {
    "classes": verdicts.class_status,
    "gateways": verdicts.gateway_status,
    "routes": verdicts.route_status,
    "pools": verdicts.pool_status,
}
_LOG = logging.getLogger("routing")
_SETTLE_S = 0.02  # several objects of one release arrive together: judge them once


def judge(cluster: Cluster) -> list[tuple[str, Object]]:
    """The (address, status) of every object whose status is not what it should be."""
    wanted = []
    for kind, verdict in _JUDGES.items():
        for (namespace, name), item in getattr(cluster, kind).items():
            status = verdict(cluster, item)
            if status is not None and not _covers(item.get("status", {}), status):
                url = KINDS[kind].url(name, namespace=namespace or None, subresource="status")
                wanted.append((url, _timed(status)))
    return wanted


def _covers(present: object, wanted: object) -> bool:
    """Whether `present` says all that `wanted` says; times and other fields may be there as well."""
    if isinstance(wanted, dict):
        return isinstance(present, dict) and all(_covers(present.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        if not isinstance(present, list) or len(present) != len(wanted):
            return False
        return all(_covers(here, there) for here, there in zip(present, wanted, strict=True))
    return present == wanted


def _timed(status: Object) -> Object:
    """The status with the time of now in every condition."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def stamped(value: object) -> object:
        if isinstance(value, list):
            return [stamped(item) for item in value]
        if not isinstance(value, dict):
            return value
        stamp = {"lastTransitionTime": now} if "observedGeneration" in value else {}
        return {key: stamped(inner) for key, inner in value.items()} | stamp

    return {key: stamped(value) for key, value in status.items()}


def _write(api: Api, url: str, status: Object) -> None:
    try:
        api.merge(url, {"status": status})
        _LOG.info("wrote %s", url)
    except NotFound:
        return  # deleted meanwhile
    except ClusterError as error:
        _LOG.warning("%s: %s", url, error)


def main(home_path: Path) -> None:
    """Follow and judge until the process is ended."""
    place = Home(name=home_path.name, path=home_path)
    found = record.read(place)
    if found is None:
        raise SystemExit(f"{home_path} holds no sandbox")
    client = Pair(certificate=place.pki / f"{components.ROUTING}.crt", key=place.pki / f"{components.ROUTING}.key")
    api = Api(port=found.ports.api_server, authority=place.pki / "ca.crt", client=client)
    mirror = Mirror(KINDS)
    mirror.follow(api)
    while True:
        mirror.changed.wait()
        time.sleep(_SETTLE_S)
        mirror.changed.clear()
        known = mirror.objects()
        cluster = None if known is None else Cluster(controllers=frozenset(furnish.GATEWAY_CONTROLLERS), **known)
        for url, status in judge(cluster) if cluster else []:
            _write(api, url, status)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    main(Path(sys.argv[1]))
