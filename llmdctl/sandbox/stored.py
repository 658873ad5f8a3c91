"""The CRDs as an API server stored them once, for the etcd of the next sandbox.

An API server checks each CRD that it is given, works out its names, and writes it three times before it serves it:
about a hundred of them keep it busy for many seconds. What it made of them depends on its version and on the CRDs
alone, so it is kept in the cache of programs and put into an empty etcd before the next API server starts, which then
reads it as after a restart. Nothing else is kept: no secret, no certificate, no name of a sandbox.
"""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from llmdctl import programs
from llmdctl.errors import ClusterError
from llmdctl.programs.cache import Entry, cache_root, content_key
from llmdctl.sandbox.etcd import Etcd

PREFIX = "/registry/apiextensions.k8s.io/customresourcedefinitions/"
_FORMAT = "1"  # raise when what is kept, or how, changes
_FILE = "definitions.json"
_WORKING = ("NamesAccepted", "Established")  # conditions of a CRD that is served


def entry(crds: Sequence[Mapping[str, Any]], server: programs.Program) -> Entry:
    """The place in the cache of these CRDs, as this API server stores them."""
    size = server.path.stat().st_size  # two builds that cannot tell their version are two
    texts = (json.dumps(crd, sort_keys=True, separators=(",", ":")) for crd in crds)
    key = content_key([_FORMAT, server.version, str(size), *texts])
    return Entry(root=cache_root(), label=f"definitions-{server.version}", key=key)


def restore(place: Entry, etcd: Etcd) -> bool:
    """Put the CRDs of `place` into an etcd that no API server has seen. Returns whether there were any.

    Each gets an identity and a time of its own, as if it had been created now. Raises ClusterError.
    """
    try:
        kept: dict[str, Any] = json.loads((place.path / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    etcd.put((key, _as_new(crd, now)) for key, crd in kept.items())
    return True


def keep(place: Entry, etcd: Etcd, report: programs.Reporter = programs.silent) -> None:
    """Keep the CRDs of `etcd` at `place`, unless it is filled. Raises ClusterError, ProgramError."""

    def make(folder: Path) -> None:
        kept = {key: json.loads(value) for key, value in etcd.below(PREFIX)}
        if not all(map(_works, kept.values())):
            raise ClusterError("a CRD is served and does not say so")
        (folder / _FILE).write_text(json.dumps(kept), encoding="utf-8")

    if not place.filled:
        place.fill(make, report)


def _as_new(crd: dict[str, Any], now: str) -> bytes:
    crd["metadata"] |= {"uid": str(uuid.uuid4()), "creationTimestamp": now}
    return json.dumps(crd, separators=(",", ":")).encode()


def _works(crd: Mapping[str, Any]) -> bool:
    conditions: Iterable[Mapping[str, Any]] = crd["status"]["conditions"]
    return set(_WORKING) <= {condition["type"] for condition in conditions if condition["status"] == "True"}
