"""Manifests from files, folders and standard input; folders of kustomize are read as kustomize would."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from llmdctl.errors import Problem, UsageError
from llmdctl.lint.manifest import Manifest, look
from llmdctl.lint.reading import Read, read
from llmdctl.lint.rule import codes
from llmdctl.model.finding import Finding, Severity

_KUSTOMIZE: Final = "https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/"

CODES = codes(
    ("LD1990", "Kustomization of a file that is not there", Severity.ERROR, f"kustomize build fails. {_KUSTOMIZE}"),
    (
        "LD1991",
        "Kustomization whose patches reach nothing",
        Severity.ERROR,
        "Patches of a Kustomization change its own resources only; one that is listed under `resources` of another "
        f"needs kind: Component and a place under `components` to change what stands beside it. {_KUSTOMIZE}",
    ),
)
SUFFIXES: Final = (".yaml", ".yml", ".json")
STDIN: Final = "-"
_KUSTOMIZATIONS: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")
MAX_BYTES: Final = 64 * 2**20  # `kubectl get -o yaml` of 2,000 objects weighs about 10 MB


def gather(places: Iterable[str], stdin: bytes | None = None) -> Read:
    """Everything in the files and folders; `-` stands for `stdin`.

    Raises UsageError for a place that cannot be read. Files inside folders that hold no objects are left out.
    """
    done = Read()
    problems: list[Problem] = []
    files: list[Path] = []
    for place in places:
        if place == STDIN:
            _add(done, stdin or b"", "<stdin>", problems)
        elif Path(place).is_dir():
            files.extend(_inside(Path(place)))
        else:
            files.append(Path(place))
    partial = _partial(files, done)
    for file in dict.fromkeys(files):
        if file.name not in _KUSTOMIZATIONS and file.resolve() not in partial:
            _add(done, _bytes(file, problems), str(file), problems)
    if problems:
        raise UsageError("Some places cannot be read.", problems=tuple(problems))
    return done


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
    done.problems.extend(found.problems)
    done.skipped += found.skipped


def _partial(files: Iterable[Path], done: Read) -> set[Path]:
    """Files that a kustomization names as patches and the like: parts of objects, not objects."""
    partial: set[Path] = set()
    for file in files:
        if file.name not in _KUSTOMIZATIONS:
            continue
        found = _kustomization(file, done)
        if found is None:
            continue
        done.manifests.append(found)
        done.findings.extend(_missing(found, file.parent))
        done.findings.extend(_reaches_nothing(found))
        partial |= {(file.parent / name).resolve() for name in _parts(found.value)}
    return partial


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
    done.problems.extend(stated.problems)
    if not again.manifests:
        return None
    bare = again.manifests[0]
    return Manifest(value=bare.value, file=bare.file, node=bare.node, first_line=-2)


def _parts(value: Mapping[str, Any]) -> Iterator[str]:
    for key in ("patches", "patchesJson6902", "replacements"):
        for row in look(value, key) or ():
            if isinstance(look(row, "path"), str):
                yield row["path"]
    for key in ("patchesStrategicMerge", "transformers", "configurations", "generators", "validators"):
        yield from (row for row in look(value, key) or () if isinstance(row, str) and "\n" not in row)
    for row in look(value, "helmCharts") or ():
        if isinstance(look(row, "valuesFile"), str):
            yield row["valuesFile"]


def _missing(found: Manifest, folder: Path) -> Iterator[Finding]:
    for key in ("resources", "bases", "components"):
        for index, name in enumerate(found.rows(key)):
            if isinstance(name, str) and not _remote(name) and not (folder / name).exists():
                yield _absent(found, (key, index), name)
    for key in ("patches", "patchesJson6902"):
        for index, row in enumerate(found.rows(key)):
            name = look(row, "path")
            if isinstance(name, str) and not _remote(name) and not (folder / name).exists():
                yield _absent(found, (key, index, "path"), name)
    for index, name in enumerate(found.rows("patchesStrategicMerge")):
        if isinstance(name, str) and "\n" not in name and not _remote(name) and not (folder / name).exists():
            yield _absent(found, ("patchesStrategicMerge", index), name)


def _absent(found: Manifest, place: tuple[str | int, ...], name: str) -> Finding:
    return found.finding(CODES["LD1990"], place, f"{name} is not there.", "Correct the path, or add the file.")


def _remote(name: str) -> bool:
    return "://" in name or name.startswith(("git@", "github.com/")) or "?ref=" in name or "$" in name


def _reaches_nothing(found: Manifest) -> Iterator[Finding]:
    own = ("resources", "bases", "components", "helmCharts", "generators", "configMapGenerator", "secretGenerator")
    if found.kind != "Kustomization" or any(found.rows(key) for key in own):
        return
    for key in ("patches", "patchesStrategicMerge", "patchesJson6902"):
        if found.rows(key):
            message = "These patches change nothing: this Kustomization has no resources of its own."
            yield found.finding(CODES["LD1991"], (key,), message, "Make it a Component, or list the resources here.")
