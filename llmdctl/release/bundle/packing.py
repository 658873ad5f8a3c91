"""The files of a bundle, from what was observed. Pure: the same scene gives the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

import yaml

from llmdctl.model.hop import Diagnosis
from llmdctl.release.bundle.masking import masked_object, masked_text
from llmdctl.release.doctor.scene import Answer, AskedKey, LogKey, Scene

FOLDER: Final = "llmdctl-support"


def pack(
    scene: Scene,
    diagnosis: Diagnosis,
    *,
    versions: Mapping[str, str],
    logs: Mapping[tuple[LogKey, bool], tuple[str, ...]],
    events: Iterable[Mapping[str, Any]],
    problems: Iterable[str] = (),
    more: Mapping[str, str] | None = None,
) -> bytes:
    """A gzipped tarball. `logs` are by container and whether they are of the run before; `problems` are what could not
    be read; `more` are further texts by file name.
    """
    files = dict(_files(scene, diagnosis, versions=versions, logs=logs, events=events, problems=problems))
    files |= {name: masked_text(text) for name, text in (more or {}).items()}
    files["index.txt"] = "".join(
        f"{hashlib.sha256(text.encode()).hexdigest()}  {len(text.encode()):>9}  {name}\n"
        for name, text in sorted(files.items())
    )
    return _tarball(files)


def _files(
    scene: Scene,
    diagnosis: Diagnosis,
    *,
    versions: Mapping[str, str],
    logs: Mapping[tuple[LogKey, bool], tuple[str, ...]],
    events: Iterable[Mapping[str, Any]],
    problems: Iterable[str],
) -> Iterator[tuple[str, str]]:
    yield "versions.json", json.dumps({**versions, "kubernetes": scene.version}, indent=2) + "\n"
    yield "diagnosis.json", masked_text(json.dumps(_plain(diagnosis), indent=2)) + "\n"
    for obj in scene.objects:
        metadata = obj.get("metadata") or {}
        place = str(metadata.get("namespace") or "_cluster")
        name = f"objects/{place}/{str(obj.get('kind')).lower()}-{metadata.get('name')}.yaml"
        yield _safe(name), yaml.safe_dump(masked_object(obj), sort_keys=False, allow_unicode=True)
    listed = [masked_object(event) for event in events]
    yield "events.yaml", yaml.safe_dump(listed, sort_keys=False, allow_unicode=True)
    for (key, previous), lines in logs.items():
        name = f"logs/{key.namespace}/{key.pod}/{key.container}{'.previous' if previous else ''}.log"
        yield _safe(name), masked_text("\n".join(lines)) + "\n"
    for asked, answers in scene.answers.items():
        yield from _pages(asked, answers)
    unread = [f"{entry.kind} in {entry.namespace or 'all namespaces'}: {entry.message}" for entry in scene.unread]
    yield "not-read.txt", masked_text("".join(f"{line}\n" for line in (*unread, *problems)))


def _pages(asked: AskedKey, answers: tuple[Answer, ...]) -> Iterator[tuple[str, str]]:
    for number, answer in enumerate(answers, start=1):
        page = asked.path.strip("/").replace("/", "-") or "root"
        head = f"status {answer.status}" if answer.status is not None else f"no answer: {answer.failure}"
        name = f"pages/{asked.namespace}/{asked.pod}/{asked.port}-{page}.{number}.txt"
        yield _safe(name), f"# {masked_text(head)}\n{masked_text(answer.body)}\n"


def _safe(name: str) -> str:
    """A name of the cluster never leads out of the folder."""
    parts = (re.sub(r"[^A-Za-z0-9._-]", "_", part) for part in name.split("/"))
    return "/".join(part if set(part) != {"."} else "_" for part in parts)


def _plain(value: object) -> Any:  # noqa: ANN401 - any JSON value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value


def _tarball(files: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, text in sorted(files.items()):
            data = text.encode()
            entry = tarfile.TarInfo(f"{FOLDER}/{name}")
            entry.size, entry.mode, entry.mtime = len(data), 0o600, 0
            tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()
