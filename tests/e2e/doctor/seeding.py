"""A fault in a real object, for as long as a test looks at it."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from llmdctl.errors import ConflictError
from llmdctl.kube import Cluster
from llmdctl.model.hop import Chain, Diagnosis
from llmdctl.release.doctor import diagnose, observe
from llmdctl.sandbox.api import Api, NotFound, Resource

LIMIT_S = 60.0


@dataclass(frozen=True)
class Patient:
    """One release that serves, or is meant to."""

    api: Api
    cluster: Cluster
    namespace: str
    release: str

    def get(self, resource: Resource, suffix: str = "") -> dict[str, Any]:
        """An object of the release, named after it."""
        return self.api.get(resource.url(self.release + suffix, namespace=self.namespace))

    def diagnosis(self, *, request: bool = False, model: str = "") -> Diagnosis:
        scene = observe(
            self.cluster, namespace=self.namespace, release=self.release, request=request, model=model, timeout_s=20
        )
        return diagnose(scene, namespace=self.namespace, release=self.release, model=model)

    def chain(self, *, request: bool = False, model: str = "") -> Chain:
        (chain,) = self.diagnosis(request=request, model=model).chains
        return chain

    def until(self, hop: str, words: str, *, limit_s: float = LIMIT_S) -> Chain:
        """The chain once it is broken at a hop in these words: kubelet and controllers need a moment."""
        started = time.monotonic()
        while True:
            chain = self.chain()
            broken = chain.broken
            if broken is not None and broken.name.value == hop and words in broken.saw:
                return chain
            if time.monotonic() - started > limit_s:
                raise AssertionError(f"not broken at {hop} with '{words}':\n{told(chain)}")
            time.sleep(0.3)

    def until_answered(self) -> Chain:
        """The chain once a request comes through it."""
        started = time.monotonic()
        while True:
            chain = self.chain(request=True)
            if chain.answered and not chain.also:
                return chain
            if time.monotonic() - started > LIMIT_S:
                raise AssertionError(f"it does not answer:\n{told(chain)}")
            time.sleep(0.5)

    @contextlib.contextmanager
    def changed(self, resource: Resource, name: str, patch: Mapping[str, Any]) -> Iterator[None]:
        """An object with a merge patch, and as it was afterwards."""
        url = resource.url(name, namespace=self.namespace)
        before = self.api.get(url)
        self.api.merge(url, dict(patch))
        try:
            yield
        finally:
            self.api.merge(url, inverse(before, patch))

    @contextlib.contextmanager
    def without(self, resource: Resource, name: str) -> Iterator[None]:
        """An object gone, and there again afterwards."""
        url = resource.url(name, namespace=self.namespace)
        before = copy.deepcopy(self.api.get(url))
        self.api.delete(url)
        try:
            yield
        finally:
            for key in ("resourceVersion", "uid", "creationTimestamp", "managedFields"):
                before["metadata"].pop(key, None)
            before.pop("status", None)
            _patiently(lambda: self.api.request("POST", resource.url(namespace=self.namespace), before))

    def kill(self, resource: Resource, name: str) -> None:
        """A pod gone at once, without its grace."""
        with contextlib.suppress(NotFound):
            self.api.request("DELETE", resource.url(name, namespace=self.namespace), {"gracePeriodSeconds": 0})


def told(chain: Chain) -> str:
    """A chain in lines, for a message."""
    lines = [f"{hop.name.value} {hop.outcome.value}: {hop.saw}" for hop in chain.hops]
    lines += [f"  {each.object}: {each.observed}" for hop in chain.hops for each in hop.evidence]
    return "\n".join([*lines, *(f"also {found.kind}: {found.message}" for found in chain.also)])


def inverse(before: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch that takes a merge patch back."""
    made: dict[str, Any] = {}
    for key, value in patch.items():
        old = before.get(key)
        made[key] = inverse(old, value) if isinstance(value, Mapping) and isinstance(old, Mapping) else old
    return made


def _patiently(act: Callable[[], object]) -> None:
    started = time.monotonic()
    while True:
        try:
            act()
        except ConflictError:  # the name is still taken by the object that goes
            if time.monotonic() - started > LIMIT_S:
                raise
            time.sleep(0.2)
        else:
            return
