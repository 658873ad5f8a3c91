"""The logs that a diagnosis reads: of pickers always, of anything else where it is not well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from llmdctl.errors import ClusterError, UnreachableError
from llmdctl.kube import Cluster
from llmdctl.lint.recognition import is_envoy
from llmdctl.release.doctor.case import Case, epp_in
from llmdctl.release.doctor.scene import LogKey

_LINES: Final = 200
PODS: Final = 16  # of one chain, whose pages are asked and whose logs are read


class Wanted(NamedTuple):
    """The words of a container that are worth reading."""

    key: LogKey
    previous: bool


def wanted_logs(case: Case) -> Iterator[Wanted]:
    """Which logs: of pickers always; of anything else, where it is not ready or is no longer what it was."""
    pickers = {pod.name for pod in case.epp_pods}
    proxies = case.proxy.pods if case.proxy else ()
    for pod in [*case.epp_pods, *proxies, *[pod for pod in case.pods if not pod.ready][:PODS]]:
        for container in pod.containers:
            status = pod.status(container.name)
            told = epp_in(pod)
            picker = pod.name in pickers and told is not None and told[0].name == container.name
            kept = picker or is_envoy(container) or not pod.ready
            if not status or not kept or (status.get("ready") and not picker):
                continue
            if pod.state(container.name) == "waiting" and not int(status.get("restartCount") or 0):
                continue
            down = pod.state(container.name) != "running" and int(status.get("restartCount") or 0) > 0
            yield Wanted(LogKey(pod.namespace, pod.name, container.name), down)


def read_log(cluster: Cluster, asked: Wanted) -> tuple[str, ...]:
    """The last words; those before a restart too, which may have happened since the pod was looked at."""
    for previous in dict.fromkeys((asked.previous, False, True)):
        try:
            lines = cluster.logs(*asked.key, previous=previous, lines=_LINES)
        except UnreachableError:
            raise
        except ClusterError:
            continue
        if lines:
            return lines
    return ()
