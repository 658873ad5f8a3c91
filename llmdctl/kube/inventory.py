"""Capturing an inventory: every section once, several at a time, each with its own outcome."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final

from llmdctl import __version__
from llmdctl.errors import ClusterError, ForbiddenError, TimedOutError, UnauthenticatedError, UnreachableError
from llmdctl.kube import reviews
from llmdctl.kube.abreast import abreast
from llmdctl.kube.door import Cluster
from llmdctl.kube.listing import Lister, outcome
from llmdctl.kube.served import Served
from llmdctl.kube.tries import Trier
from llmdctl.model.collecting import uncollected
from llmdctl.model.inventory import Inventory, Section, Seen
from llmdctl.model.sections import NAMES, OBJECTS

Item = Mapping[str, Any]
Reporter = Callable[[str], None]

CAPTURE_TIMEOUT_S: Final = 120.0
_FIRST: Final = ("pods", "nodes", "crds")  # the long ones begin first
_CALLERS: Final = ("client", "probes")  # captured by those who know this machine, and who may start pods
_TIMED_OUT: Final = Section(seen=Seen.TIMED_OUT, reason="the time was up")


def silent(line: str) -> None:
    """The default reporter: says nothing."""


def capture(
    cluster: Cluster,
    *,
    objects: Sequence[Item] = (),
    namespace: str = "",
    release: str = "",
    sections: Collection[str] | None = None,
    crd_groups: Collection[str] | None = None,
    timeout_s: float = CAPTURE_TIMEOUT_S,
    report: Reporter = silent,
) -> Inventory:
    """What is to be known of a cluster, within `timeout_s`.

    `objects` are rendered and have their namespaces; without them, what is asked about them is absent. `sections`
    names those wanted, all of `NAMES` by default; version and apis come always, `client` and `probes` never. Of CRDs
    beyond `crd_groups` (by default there are none) the metadata alone is read. What cannot be read is said in its
    section. Raises UnreachableError and UnauthenticatedError, and ClusterError where
    the address gives no answer that an API server gives.
    """
    until_s = time.monotonic() + timeout_s
    taken = datetime.datetime.now(datetime.UTC)
    known, served = _first(cluster, until_s, timeout_s)
    lister = Lister(cluster=cluster, served=served, namespace=namespace, crd_groups=crd_groups)
    trier = Trier(cluster=cluster, served=served, namespace=namespace, release=release, until_s=until_s)
    wanted = [name for name in _order() if sections is None or name in sections]
    report(f"Reading {len(wanted)} sections of {cluster.server}.")

    def read(name: str) -> Section:
        if name in OBJECTS:
            return lister.section(name)
        if name == "identity":
            return reviews.identity(cluster)
        if not objects:
            return reviews.NO_RECIPE
        if name == "access":
            return reviews.access(cluster, objects, namespace, served=served, until_s=until_s)
        return trier.live(objects) if name == "live" else trier.dry_run(objects)

    jobs = [partial(read, name) for name in wanted]
    with uncollected():
        found = abreast(jobs, threads=reviews.THREADS, until_s=until_s)
    read_now = {name: section or _TIMED_OUT for name, section in zip(wanted, found, strict=True)}
    everything = {**known, **read_now}
    return Inventory(
        captured_at=reviews.moment(taken),
        llmdctl=__version__,
        server=cluster.server,
        sections={name: everything[name] for name in NAMES if name in everything},
    )


def _order() -> list[str]:
    rest = [name for name in NAMES if name not in (*_FIRST, *_CALLERS, "version", "apis")]
    return [*_FIRST, *rest]


def _first(cluster: Cluster, until_s: float, timeout_s: float) -> tuple[dict[str, Section], Served | None]:
    """Version and kinds, without which nothing else makes sense. Raises what `capture` raises."""
    version = abreast([lambda: _version(cluster)], threads=1, until_s=until_s)[0]
    kinds = abreast([lambda: _kinds(cluster)], threads=1, until_s=until_s)[0] if version is not None else None
    if version is None or kinds is None:
        raise TimedOutError(
            f"no answer from {cluster.server} within {timeout_s:.0f} s",
            remedy="Check the kubeconfig, --context and the network, or raise --timeout.",
        )
    if isinstance(version, ClusterError) and isinstance(kinds, ClusterError):
        if not isinstance(version, ForbiddenError):
            raise version
        if not isinstance(kinds, ForbiddenError):
            raise kinds
    served = kinds if isinstance(kinds, Served) else None
    sections = {
        "version": _failed(version) if isinstance(version, ClusterError) else version,
        "apis": _failed(kinds) if isinstance(kinds, ClusterError) else reviews.asked(lambda: reviews.apis(kinds)),
    }
    return sections, served


def _version(cluster: Cluster) -> Section | ClusterError:
    started_s = time.monotonic()
    try:
        items = tuple(reviews.version(cluster))
    except UnreachableError:
        raise
    except ClusterError as error:
        return _or_raise(error)
    return Section(seen=Seen.OK, items=items, seconds=round(time.monotonic() - started_s, 3))


def _kinds(cluster: Cluster) -> Served | ClusterError:
    try:
        served = cluster.served()
    except ClusterError as error:
        return _or_raise(error)
    except (KeyError, TypeError, AttributeError, ValueError) as cause:
        return ClusterError(f"the served kinds cannot be read from the answer ({type(cause).__name__}: {cause})")
    return served if served.resources else ClusterError("the answer names no kind that is served")


def _or_raise(error: ClusterError) -> ClusterError:
    if isinstance(error, UnauthenticatedError):
        raise error
    return error


def _failed(error: ClusterError) -> Section:
    return Section(seen=outcome(error), reason=error.message)
