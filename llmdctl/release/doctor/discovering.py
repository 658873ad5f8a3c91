"""Which chains there are: one a pool, and one a route that names a pool which is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from llmdctl.lint.manifest import rows
from llmdctl.release.doctor.case import Backend, Case
from llmdctl.release.doctor.scene import Scene

_INSTANCE = "app.kubernetes.io/instance"


def cases(scene: Scene, *, release: str = "", pool: str = "", namespace: str = "", model: str = "") -> tuple[Case, ...]:
    """The chains of a scene. `release` and `pool` narrow them; a release is a hint in labels, or a pool's own name.

    A pool that no route leads to takes the routes of its namespace that lead to no pool: they were meant for it.
    """
    found = list(_cases(scene, model))
    if namespace:
        found = [case for case in found if case.namespace == namespace]
    if pool:
        found = [case for case in found if pool in (case.name, case.key)]
    if release:
        found = [case for case in found if case.name == release or _of_release(case, release)]
    return tuple(found)


def _of_release(case: Case, release: str) -> bool:
    named = (case.pool, *(backend.route for backend in case.backends))
    annotation = "meta.helm.sh/release-name"
    return any(
        obj is not None
        and release in (obj.get("metadata", "labels", _INSTANCE), obj.get("metadata", "annotations", annotation))
        for obj in named
    )


def _cases(scene: Scene, model: str) -> Iterator[Case]:
    backends = list(_backends(scene))
    pools = list(scene.of("InferencePool"))
    keys = {(pool.namespace, pool.name) for pool in pools}
    dangling = [backend for backend in backends if (backend.namespace, backend.name) not in keys]
    for pool in pools:
        mine = [backend for backend in backends if (backend.namespace, backend.name) == (pool.namespace, pool.name)]
        case = Case(scene=scene, namespace=pool.namespace, name=pool.name, pool=pool, model=model)
        if not mine and case.proxy is None:
            mine = _meant(pool.namespace, pool.name, dangling, len(pools))
            dangling = [backend for backend in dangling if backend not in mine]
        yield Case(scene=scene, namespace=pool.namespace, name=pool.name, pool=pool, backends=tuple(mine), model=model)
    missing: dict[tuple[str, str], list[Backend]] = {}
    for backend in dangling:
        missing.setdefault((backend.namespace, backend.name), []).append(backend)
    for (namespace, name), named in missing.items():
        yield Case(scene=scene, namespace=namespace, name=name, pool=None, backends=tuple(named), model=model)


def _meant(namespace: str, name: str, dangling: list[Backend], pools: int) -> list[Backend]:
    """The routes that lead nowhere and stand where this pool's would: all of them, if there is no other pool."""
    here = [backend for backend in dangling if namespace in (backend.namespace, backend.route.namespace)]
    if pools == 1:
        return here
    near = set(difflib.get_close_matches(name, [backend.name for backend in here], n=3, cutoff=0.6))
    return [backend for backend in here if backend.name in near]


def _backends(scene: Scene) -> Iterator[Backend]:
    for route in scene.of("HTTPRoute"):
        for index, rule in enumerate(route.rows("spec", "rules")):
            for reference in rows(rule, "backendRefs"):
                picker = _is_picker(scene, route.namespace, reference.get("name"))
                if reference.get("kind") == "InferencePool" or picker:
                    yield Backend(route=route, rule=index, reference=reference)


def _is_picker(scene: Scene, namespace: str, name: object) -> bool:
    """Whether a Service that a route leads to is a pool's picker: a frequent mistake."""
    pickers = {
        (pool.namespace, pool.text("spec", "endpointPickerRef", "name") or pool.text("spec", "extensionRef", "name"))
        for pool in scene.of("InferencePool")
    }
    return (namespace, name) in pickers
