"""Reading many objects at once: a release has some twenty, and a far cluster answers in 50 ms each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from llmdctl.errors import ForbiddenError
from llmdctl.kube import Cluster, KubernetesObject
from llmdctl.model.release import ObjectKey

_AT_ONCE: Final = 8  # requests; what client-go's own tools allow themselves in a burst is far more
_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")


def at_once(ask: Callable[[_Asked], _Answer], about: Iterable[_Asked]) -> list[_Answer]:
    """`ask` about each, several at a time, answers in order. Raises the first error, once all running ones ended."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(ask, about))


def read_all(cluster: Cluster, keys: Iterable[ObjectKey]) -> dict[ObjectKey, KubernetesObject | ForbiddenError | None]:
    """Each object; None where it is not there, the refusal where it may not be read.

    Raises the other errors of `Cluster.get`.
    """
    wanted = list(dict.fromkeys(keys))
    return dict(zip(wanted, at_once(lambda key: _read(cluster, key), wanted), strict=True))


def _read(cluster: Cluster, key: ObjectKey) -> KubernetesObject | ForbiddenError | None:
    try:
        return cluster.get(key)
    except ForbiddenError as refusal:
        return refusal


def find_all(cluster: Cluster, keys: Iterable[ObjectKey]) -> dict[ObjectKey, KubernetesObject]:
    """Those objects that are there; none whose kind is not served (any more) or that may not be read."""
    served = cluster.served()
    known = [key for key in keys if served.find(key.api_version, key.kind) is not None]
    found = read_all(cluster, known)
    return {key: obj for key, obj in found.items() if obj is not None and not isinstance(obj, ForbiddenError)}


def find(cluster: Cluster, key: ObjectKey) -> KubernetesObject | None:
    """Like `find_all`, of one."""
    return find_all(cluster, [key]).get(key)
