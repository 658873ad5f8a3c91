"""A Helm in memory, satisfying `llmdctl.helm.Helm`, at work on a FakeCluster and as easily killed as the real one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmdctl.errors import ConflictError, HelmError
from llmdctl.helm import Change, Engine, Rendered
from llmdctl.helm.writing import to_manifests
from llmdctl.kube import key_of
from llmdctl.model.release import ObjectKey, ReleaseSpec
from llmdctl.release.ownership import as_of_release, is_of_release
from tests.fakes.cluster import FakeCluster

Chart = Callable[[str, Mapping[str, Any]], Sequence[dict[str, Any]]]


class FakeHelm:
    """`chart` gives the objects of a release by its name and values. `die_after` kills it after so many objects."""

    engine = Engine(name="helm", version="4.3.1")

    def __init__(self, cluster: FakeCluster, chart: Chart, *, now: Callable[[], float] = lambda: 0.0) -> None:
        self.cluster = cluster
        self.chart = chart
        self.calls: list[str] = []
        self.changes: list[Change] = []
        self.die_after: int | None = None
        self.death: BaseException = KeyboardInterrupt()
        self._now = now
        self._stored: dict[tuple[str, str, int], tuple[tuple[dict[str, Any], ...], Mapping[str, Any]]] = {}

    def render(
        self,
        spec: ReleaseSpec,
        *,
        kube_version: str = "1.34.4",
        api_versions: Sequence[str] = (),
        upgrade: bool = False,
    ) -> Rendered:
        self.calls.append("render")
        return self._rendered(self.chart(spec.name, spec.values))

    def preview(self, change: Change) -> Rendered:
        self.calls.append("preview")
        self._refuse_pending(change.name, change.namespace)
        return self._rendered(self.chart(change.name, change.values))

    def upgrade(self, change: Change) -> Rendered:
        self.calls.append("upgrade")
        self.changes.append(change)
        self._refuse_pending(change.name, change.namespace)
        known = self._revisions(change.name, change.namespace)
        number = max(known, default=0) + 1
        objects = tuple(self.chart(change.name, change.values))
        self._stored[change.name, change.namespace, number] = (objects, change.values)
        self._record(change, number, "pending-upgrade" if known else "pending-install")
        for count, obj in enumerate(objects):
            if self.die_after is not None and count >= self.die_after:
                self.die_after = None
                raise self.death
            self._put(obj, change)
        for earlier in known:
            self._mark(change.name, change.namespace, earlier, "superseded")
        self._record(change, number, "deployed")
        return self._rendered(objects)

    def begin(self, change: Change) -> FakeBegun:
        self.calls.append("begin")
        return FakeBegun(self, change)

    def rollback(self, name: str, namespace: str, revision: int, *, timeout_s: float) -> None:
        self.calls.append(f"rollback {revision}")
        objects, values = self._stored[name, namespace, revision]
        number = max(self._revisions(name, namespace)) + 1
        labels = self.cluster.objects[self._key(name, namespace, revision)]["metadata"]["labels"]
        for known in self._revisions(name, namespace):
            self._mark(name, namespace, known, "superseded")
        self._stored[name, namespace, number] = (objects, values)
        change = Change(name=name, namespace=namespace, chart="", labels=labels)
        for obj in objects:
            self._put(obj, change)
        self._record(change, number, "deployed")

    def uninstall(self, name: str, namespace: str, *, timeout_s: float) -> bool:
        self.calls.append("uninstall")
        known = self._revisions(name, namespace)
        if not known:
            return False
        for obj in self._stored[name, namespace, max(known)][0]:
            live = self.cluster.objects.get(_key_in(obj, namespace))
            if live is not None and is_of_release(live, name, namespace):
                self.cluster.delete(key_of(live))
        for number in known:
            self.cluster.remove(self._key(name, namespace, number))
        return True

    def manifest(self, name: str, namespace: str, revision: int) -> Rendered:
        self.calls.append("manifest")
        return self._rendered(self._stored[name, namespace, revision][0])

    def values(self, name: str, namespace: str, revision: int) -> Mapping[str, Any]:
        return self._stored[name, namespace, revision][1]

    def _put(self, obj: dict[str, Any], change: Change) -> None:
        placed = {**obj, "metadata": {**obj["metadata"]}}
        key = _key_in(obj, change.namespace)
        if key.namespace:
            placed["metadata"]["namespace"] = key.namespace
        live = self.cluster.objects.get(key)
        if live is not None and not change.take_ownership and not is_of_release(live, change.name, change.namespace):
            raise ConflictError(f"{key} exists")
        generation = (live or {}).get("metadata", {}).get("generation", 0) + 1
        placed["metadata"]["generation"] = generation
        self.cluster.put(dict(as_of_release(placed, change.name, change.namespace)))

    def _record(self, change: Change, number: int, status: str) -> None:
        labels = {"owner": "helm", "name": change.name, "version": str(number), "status": status}
        labels = {**change.labels, **labels, "modifiedAt": str(int(self._now()))}
        key = self._key(change.name, change.namespace, number)
        metadata = {"name": key.name, "namespace": change.namespace, "labels": labels}
        self.cluster.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"release": "hidden"}})

    def _mark(self, name: str, namespace: str, number: int, status: str) -> None:
        self.cluster.objects[self._key(name, namespace, number)]["metadata"]["labels"]["status"] = status

    def _revisions(self, name: str, namespace: str) -> list[int]:
        return [
            number
            for stored, place, number in self._stored
            if (stored, place) == (name, namespace) and self._key(name, namespace, number) in self.cluster.objects
        ]

    def _refuse_pending(self, name: str, namespace: str) -> None:
        for number in self._revisions(name, namespace)[-1:]:
            labels = self.cluster.objects[self._key(name, namespace, number)]["metadata"]["labels"]
            if labels["status"].startswith("pending"):
                raise HelmError("another operation (install/upgrade/rollback) is in progress")

    def _rendered(self, objects: Sequence[dict[str, Any]]) -> Rendered:
        return Rendered(text=to_manifests(objects), objects=tuple(objects), notes="notes", engine=self.engine)

    @staticmethod
    def _key(name: str, namespace: str, number: int) -> ObjectKey:
        return ObjectKey(
            api_version="v1", kind="Secret", namespace=namespace, name=f"sh.helm.release.v1.{name}.v{number}"
        )


@dataclass
class FakeBegun:
    """A Helm that waits for its values."""

    helm: FakeHelm
    change: Change
    over: bool = False

    def finish(self) -> Rendered:
        self.over = True
        return self.helm.upgrade(self.change)

    def abandon(self) -> None:
        if not self.over:
            self.over = True
            self.helm.calls.append("abandon")


def _key_in(obj: Mapping[str, Any], namespace: str) -> ObjectKey:
    key = key_of(obj)
    if key.kind in {"ClusterRole", "CustomResourceDefinition", "Namespace"}:
        return key
    return ObjectKey(api_version=key.api_version, kind=key.kind, namespace=key.namespace or namespace, name=key.name)
