"""A copy of some kinds of a cluster's objects, up to date by one watch each, for components that look at them all."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping

from llmdctl.errors import ClusterError
from llmdctl.sandbox.api import Api, Object, Resource

Key = tuple[str, str]  # namespace (empty for cluster-wide kinds) and name

_LOG = logging.getLogger("mirror")
_WATCH_LIMIT_S = 300
_PAUSE_S = 1.0


class Mirror:
    """The watched objects by kind, and a bell that rings at every change."""

    def __init__(self, kinds: Mapping[str, Resource]) -> None:
        self._kinds = kinds
        self._lock = threading.Lock()
        self._objects: dict[str, dict[Key, Object]] = {kind: {} for kind in kinds}
        self._complete: set[str] = set()
        self.changed = threading.Event()

    def replace(self, kind: str, items: list[Object]) -> None:
        """Everything of one kind, as just listed."""
        with self._lock:
            self._objects[kind] = {_key(item): item for item in items}
            self._complete.add(kind)
        self.changed.set()

    def update(self, kind: str, event: Object) -> None:
        """One watch event."""
        item = event["object"]
        with self._lock:
            if event["type"] == "DELETED":
                self._objects[kind].pop(_key(item), None)
            else:
                self._objects[kind][_key(item)] = item
        self.changed.set()

    def objects(self) -> dict[str, dict[Key, Object]] | None:
        """What is known now, or None before every kind was listed once."""
        with self._lock:
            if len(self._complete) < len(self._kinds):
                return None
            return {kind: dict(items) for kind, items in self._objects.items()}

    def follow(self, api: Api) -> None:
        """Start keeping every kind up to date, in threads that end with the process."""
        for kind, resource in self._kinds.items():
            threading.Thread(target=self._follow, args=(api, kind, resource.url()), daemon=True).start()

    def _follow(self, api: Api, kind: str, url: str) -> None:
        """Keep one kind up to date, for ever; list anew whenever a watch ends."""
        while True:
            try:
                listed = api.get(url)
                self.replace(kind, listed["items"])
                for event in api.watch(url, listed["metadata"]["resourceVersion"], limit_s=_WATCH_LIMIT_S):
                    if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                        self.update(kind, event)
                    elif event["type"] == "ERROR":
                        break
            except ClusterError as error:
                _LOG.warning("%s: %s", kind, error)
                time.sleep(_PAUSE_S)


def _key(item: Object) -> Key:
    return str(item["metadata"].get("namespace", "")), str(item["metadata"]["name"])
