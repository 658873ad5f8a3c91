"""Removing a release, and nothing that it does not own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from llmdctl.errors import ForbiddenError, Interrupted
from llmdctl.helm import Helm
from llmdctl.kube import Cluster, KubernetesObject, key_of
from llmdctl.model.release import ObjectKey
from llmdctl.release.belongings import Stored, belongings, must_stay, stored
from llmdctl.release.clock import SYSTEM_CLOCK, Clock
from llmdctl.release.events import Noticed, ObjectChanged, Phase, PhaseFinished, PhaseStarted, Reporter, silent
from llmdctl.release.leaving import wait_gone
from llmdctl.release.namespaces import contents, is_ours, namespace_key
from llmdctl.release.ownership import is_of_release
from llmdctl.release.reading import find, find_all
from llmdctl.release.record import NOT_FOUND, latest
from llmdctl.release.shared_crds import applied_crds, is_unused
from llmdctl.release.snapshot import INSTANCE_LABEL

_NOT_OURS: Final = "llmdctl did not make it"


@dataclass(frozen=True, kw_only=True, slots=True)
class Inventory:
    """What removing a release would take away, and what it would leave."""

    objects: tuple[ObjectKey, ...]
    pods: tuple[str, ...]
    kept: tuple[str, ...]  # each with the reason
    helm_status: str  # not-found: Helm knows no such release; what carries its mark is listed all the same
    revisions: Stored = field(default_factory=dict, repr=False)  # what each names, for the removal to go by
    bound: tuple[str, ...] = ()  # those of `kept` that Helm's annotation keeps


@dataclass(frozen=True, kw_only=True, slots=True)
class UninstallResult:
    """What was removed, and what was left with the reason."""

    removed: tuple[ObjectKey, ...]
    kept: tuple[str, ...]


def inventory(name: str, namespace: str, *, helm: Helm, cluster: Cluster) -> Inventory:
    """Read what belongs to a release, whole or half installed. Raises the errors of both doors."""
    revisions = stored(name, namespace, helm=helm, cluster=cluster)
    owned = belongings(name, namespace, among=revisions, cluster=cluster)
    pods = cluster.list_objects("v1", "Pod", namespace=namespace, labels={INSTANCE_LABEL: name}, metadata_only=True)
    last = latest(cluster, name, namespace)
    live = find(cluster, namespace_key(namespace))
    bound = tuple(_kept_by_policy(obj) for obj in owned if must_stay(obj))
    kept = [*bound, *_kept_crds(cluster)]
    if live is not None and not is_ours(live):
        kept.append(f"Namespace/{namespace}: {_NOT_OURS}")
    return Inventory(
        objects=tuple(key_of(obj) for obj in owned if not must_stay(obj)),
        pods=tuple(key_of(pod).name for pod in pods),
        kept=tuple(kept),
        helm_status=NOT_FOUND if last is None else last.helm_status,
        revisions=revisions,
        bound=bound,
    )


def uninstall(
    name: str,
    namespace: str,
    *,
    helm: Helm,
    cluster: Cluster,
    timeout_s: float = 300.0,
    remove_crds: bool = False,
    seen: Inventory | None = None,
    clock: Clock = SYSTEM_CLOCK,
    report: Reporter = silent,
) -> UninstallResult:
    """Remove a release and wait until its objects and pods are gone.

    Works on one that is half installed, and continues one that was interrupted. CRDs and controllers stay; with
    `remove_crds` those CRDs go that llmdctl applied and of which no object is left. The namespace goes when llmdctl
    made it and nothing else is in it. `seen` is what was shown of it before, where it was. Raises WaitError with what
    would not go, and the errors of both doors.
    """
    work = _Removal(
        name=name, namespace=namespace, helm=helm, cluster=cluster, timeout_s=timeout_s, clock=clock, report=report,
        seen=seen,
    )  # fmt: skip
    try:
        return work.run(remove_crds=remove_crds)
    except (KeyboardInterrupt, Interrupted) as cause:
        started = "its removal had begun" if work.begun else "nothing was removed"
        raise Interrupted(
            f"interrupted while removing {name}: {started}", remedy="Run the same command again to go on."
        ) from cause


@dataclass(kw_only=True)
class _Removal:
    """One run."""

    name: str
    namespace: str
    helm: Helm
    cluster: Cluster
    timeout_s: float
    clock: Clock
    report: Reporter
    seen: Inventory | None
    removed: list[ObjectKey] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    begun: bool = False

    def run(self, *, remove_crds: bool) -> UninstallResult:
        started_s = self.clock.monotonic()
        self.report(PhaseStarted(phase=Phase.REMOVE, detail=f"{self.name} from {self.namespace}"))
        going = self._remove(self._owned())
        self.report(PhaseStarted(phase=Phase.WAIT_GONE, detail="until its objects and pods are gone"))
        self._wait_gone(going, started_s)
        if remove_crds:
            self._remove_crds()
        else:
            self.kept += _kept_crds(self.cluster)
        if self._remove_namespace():
            self._wait_gone([namespace_key(self.namespace)], started_s)  # or the next install would meet it dying
            self._gone(namespace_key(self.namespace))
        elapsed_s = self.clock.monotonic() - started_s
        self.report(PhaseFinished(phase=Phase.WAIT_GONE, detail=f"{self.name} is gone", elapsed_s=elapsed_s))
        return UninstallResult(removed=tuple(self.removed), kept=tuple(self.kept))

    def _owned(self) -> Sequence[ObjectKey]:
        """What is to go: as it was shown, unless Helm has written another revision since.

        What is left of it when Helm has ended is looked at before it is deleted, so nobody else's goes.
        """
        seen, known = self.seen, self.seen.revisions if self.seen else {}
        revisions = stored(self.name, self.namespace, helm=self.helm, cluster=self.cluster, known=known)
        if seen is not None and revisions and revisions == known:
            self.kept += seen.bound
            return seen.objects
        owned = belongings(self.name, self.namespace, among=revisions, cluster=self.cluster)
        self.kept += [_kept_by_policy(obj) for obj in owned if must_stay(obj)]
        return [key_of(obj) for obj in owned if not must_stay(obj)]

    def _wait_gone(self, keys: list[ObjectKey], started_s: float) -> None:
        wait_gone(
            self.cluster,
            keys,
            name=self.name,
            namespace=self.namespace,
            timeout_s=max(1.0, self.timeout_s - (self.clock.monotonic() - started_s)),
            clock=self.clock,
            report=self.report,
        )

    def _remove(self, keys: Sequence[ObjectKey]) -> list[ObjectKey]:
        """Delete the release and what it owns; the keys of what is still there, whose end is to be waited for."""
        if latest(self.cluster, self.name, self.namespace) is not None:
            self.begun = True
            self.helm.uninstall(self.name, self.namespace, timeout_s=self.timeout_s)
        going: list[ObjectKey] = []
        found = find_all(self.cluster, keys)
        for key in keys:
            live = found.get(key)
            if live is not None and not is_of_release(live, self.name, self.namespace):
                self.kept.append(f"{key}: somebody else made it meanwhile")
                continue
            # What an earlier, half-done removal left, of which Helm knows nothing any more.
            if live is not None and not (live.get("metadata") or {}).get("deletionTimestamp"):
                self.begun = True
                self.cluster.delete(key)
            if live is not None:
                going.append(key)
            self._gone(key)
        return going

    def _remove_crds(self) -> None:
        for crd in list(applied_crds(self.cluster)):
            if not is_unused(self.cluster, crd):
                self.kept.append(f"{key_of(crd)}: objects of it are left")
            elif self.cluster.delete(key_of(crd)):
                self._gone(key_of(crd))

    def _remove_namespace(self) -> bool:
        """Whether the namespace goes: it is ours and nothing else is in it; else why it stays is noted."""
        live = find(self.cluster, namespace_key(self.namespace))
        if live is None:
            return False
        if is_ours(live) and (live.get("metadata") or {}).get("deletionTimestamp"):
            return True  # an earlier run had come this far
        reason = self._why_it_stays(live)
        if reason is None:
            try:
                self.cluster.delete(namespace_key(self.namespace))
            except ForbiddenError as refused:
                self.report(Noticed(message=refused.message))
                reason = "it may not be removed"
        if reason is not None:
            self.kept.append(f"Namespace/{self.namespace}: {reason}")
        return reason is None

    def _why_it_stays(self, live: KubernetesObject) -> str | None:
        if not is_ours(live):
            return _NOT_OURS
        found = contents(self.cluster, self.namespace)
        if found.keys:
            return f"it holds {_some([str(key) for key in found.keys])}"
        return f"it cannot be seen whether it holds {_some(found.unseen)}" if found.unseen else None

    def _gone(self, key: ObjectKey) -> None:
        self.removed.append(key)
        self.report(ObjectChanged(key=key, action="remove"))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _kept_by_policy(obj: KubernetesObject) -> str:
    return f"{key_of(obj)}: its annotation says that Helm must keep it"


def _kept_crds(cluster: Cluster) -> list[str]:
    try:
        count = sum(1 for _ in applied_crds(cluster))
    except ForbiddenError:
        return []
    if not count:
        return []
    return [f"CustomResourceDefinitions that llmdctl applied ({count}): others may use them (--remove-crds)"]
