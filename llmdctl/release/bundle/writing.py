"""Reading what only a bundle wants, and writing the file whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from llmdctl import __version__
from llmdctl.errors import ClusterError, UnreachableError, UsageError
from llmdctl.kube import Cluster
from llmdctl.model.hop import Diagnosis
from llmdctl.release.bundle.packing import pack
from llmdctl.release.doctor.discovering import cases
from llmdctl.release.doctor.scene import LogKey, Scene
from llmdctl.release.reading import at_once

_LOG_LINES: Final = 500
_CONTAINERS: Final = 200  # whose logs are read


def write(
    file: Path,
    *,
    door: Cluster,
    scene: Scene,
    diagnosis: Diagnosis,
    more: Mapping[str, str] | None = None,
    unread: Iterable[str] = (),
) -> Path:
    """The bundle at `file`, readable for its owner only. `more` and `unread`: further files, and what could not be had.

    Raises UsageError when it cannot be written there, and UnreachableError.
    """
    wanted = _containers(scene, diagnosis)[:_CONTAINERS]
    read = at_once(lambda one: _log(door, *one), wanted)
    logs = {key: lines for key, lines in zip(wanted, read, strict=True) if isinstance(lines, tuple) and lines}
    problems = [*unread]
    problems += [f"log of {key[0]}: {said}" for key, said in zip(wanted, read, strict=True) if isinstance(said, str)]
    namespaces = sorted({chain.pool.partition("/")[0] for chain in diagnosis.chains})
    events: list[Mapping[str, Any]] = []
    for namespace in namespaces:
        try:
            events += door.list_objects("v1", "Event", namespace=namespace)
        except UnreachableError:
            raise
        except ClusterError as failure:
            problems.append(f"events of {namespace}: {failure.message}")
    data = pack(
        scene, diagnosis, versions={"llmdctl": __version__}, logs=logs, events=events, problems=problems, more=more
    )
    _replace(file, data)
    return file


def _containers(scene: Scene, diagnosis: Diagnosis) -> list[tuple[LogKey, bool]]:
    """Every container of every pod of the chains; of one that restarted also the run before."""
    looked_at = {chain.pool for chain in diagnosis.chains}
    found: dict[tuple[LogKey, bool], None] = {}
    for case in cases(scene):
        if case.key not in looked_at:
            continue
        for pod in (*case.epp_pods, *(case.proxy.pods if case.proxy else ()), *case.pods):
            for container in pod.containers:
                key = LogKey(pod.namespace, pod.name, container.name)
                if pod.status(container.name):
                    found[key, False] = None
                    if int(pod.status(container.name).get("restartCount") or 0):
                        found[key, True] = None
    return list(found)


def _log(door: Cluster, key: LogKey, previous: bool) -> tuple[str, ...] | str:
    try:
        return door.logs(*key, previous=previous, lines=_LOG_LINES)
    except UnreachableError:
        raise
    except ClusterError as failure:
        return failure.message


def _replace(file: Path, data: bytes) -> None:
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as written:
            written.write(data)
        partial.replace(file)
    except OSError as cause:
        partial.unlink(missing_ok=True)
        raise UsageError(
            f"Cannot write {file}: {cause.strerror or cause}.", remedy="Name another file with --support-bundle."
        ) from cause
