"""Manifests from files, folders and standard input; folders of kustomize are read as kustomize would."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from llmdctl.errors import Problem, UsageError
from llmdctl.lint.manifest import Manifest, look, rows
from llmdctl.lint.reading import Read, read

SUFFIXES: Final = (".yaml", ".yml", ".json")
STDIN: Final = "-"
_KUSTOMIZATIONS: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")
MAX_BYTES: Final = 64 * 2**20  # `kubectl get -o yaml` of 2,000 objects weighs about 10 MB


def gather(places: Iterable[str], stdin: bytes | None = None) -> tuple[Read, ...]:
    """What belongs together: everything that is named, and then each folder below a named one by itself.

    `-` stands for `stdin`. Relations are followed inside each Read only: folders of a repository are variants of each
    other as often as parts of one whole. Files inside folders that hold no objects are left out. Raises UsageError
    for a place that cannot be read.
    """
    named = Read()
    problems: list[Problem] = []
    folders: dict[Path, list[Path]] = {}
    files: list[Path] = []
    for place in dict.fromkeys(places):
        if place == STDIN:
            _add(named, stdin or b"", "<stdin>", problems)
        elif Path(place).is_dir():
            for file in _inside(Path(place)):
                folders.setdefault(file.parent, []).append(file)
        else:
            files.append(Path(place))
    done = {folder: Read(complete=len(folders) == 1) for folder in folders}
    unlisted = _unlisted((file, done[folder]) for folder, inner in folders.items() for file in inner)
    unlisted |= _unlisted((file, named) for file in files if file.name in _KUSTOMIZATIONS)
    for target, inner in ((named, files), *((done[folder], inner) for folder, inner in folders.items())):
        for file in inner:
            if file.name not in _KUSTOMIZATIONS and file.resolve() not in unlisted:
                _add(target, _bytes(file, problems), str(file), problems)
    if problems:
        raise UsageError("Some places cannot be read.", problems=tuple(problems))
    return (named, *done.values())


def _inside(folder: Path) -> Iterator[Path]:
    """The files of a folder and of those below it, without hidden ones and without the templates of charts."""
    for root, folders, names in os.walk(folder):
        chart = "Chart.yaml" in names
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not (chart and name == "templates")
        )
        for name in sorted(names):
            if name in _KUSTOMIZATIONS or (name.endswith(SUFFIXES) and not name.startswith(".") and not chart):
                yield Path(root) / name


def _bytes(file: Path, problems: list[Problem]) -> bytes:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as cause:
        problems.append(Problem(file=str(file), message=f"the file cannot be read: {cause.strerror or cause}."))
        return b""
    if len(data) > MAX_BYTES:
        problems.append(Problem(file=str(file), message=f"the file is larger than {MAX_BYTES // 2**20} MiB."))
        return b""
    return data


def _add(done: Read, data: bytes, name: str, problems: list[Problem]) -> None:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        problems.append(Problem(file=name, message="the file is binary, or text that is not UTF-8."))
        return
    found = read(text, name)
    done.manifests.extend(found.manifests)
    done.findings.extend(found.findings)
    done.skipped += found.skipped


def _unlisted(files: Iterable[tuple[Path, Read]]) -> set[Path]:
    """Files beside a kustomization that are no resources of it: patches and the like, or nothing at all."""
    unlisted: set[Path] = set()
    listed: set[Path] = set()
    known = list(files)
    for file, done in known:
        if file.name not in _KUSTOMIZATIONS:
            continue
        found = _kustomization(file, done)
        if found is None:
            continue
        done.manifests.append(found)
        names = [name for key in ("resources", "bases") for name in found.rows(key) if isinstance(name, str)]
        listed |= {(file.parent / name).resolve() for name in names}
        unlisted |= {other.resolve() for other, _ in known if other.parent == file.parent}
        unlisted |= {(file.parent / name).resolve() for name in _parts(found.value)}
    return unlisted - listed


def _kustomization(file: Path, done: Read) -> Manifest | None:
    """A kustomization may leave apiVersion and kind out."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    stated = read(text, str(file))
    if stated.manifests:
        done.findings.extend(stated.findings)
        return stated.manifests[0]
    again = read(f"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n{text}", str(file))
    if not again.manifests:
        return None
    bare = again.manifests[0]
    return Manifest(value=bare.value, file=bare.file, node=bare.node, first_line=-2)


def _parts(value: Mapping[str, Any]) -> Iterator[str]:
    for key in ("patches", "patchesJson6902", "replacements"):
        for row in rows(value, key):
            if isinstance(look(row, "path"), str):
                yield row["path"]
    for key in ("patchesStrategicMerge", "transformers", "configurations", "generators", "validators"):
        yield from (row for row in rows(value, key) if isinstance(row, str) and "\n" not in row)
    for row in rows(value, "helmCharts"):
        if isinstance(look(row, "valuesFile"), str):
            yield row["valuesFile"]
