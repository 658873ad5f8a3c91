"""The files that a kubeconfig is made of, and what they say together.

Read here and not by the client library: that takes a third of a second to import, which every command would pay.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmdctl.errors import UnreachableError


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What stands below one name. `folder` is where its relative paths begin."""

    settings: Mapping[str, Any]
    folder: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Kubeconfig:
    """The named entries of one or more files."""

    current: str  # the name of a context; empty: none is current
    contexts: Mapping[str, Entry]
    clusters: Mapping[str, Entry]
    users: Mapping[str, Entry]


def kubeconfig_files() -> list[Path]:
    """The files that KUBECONFIG names, else that of the home folder; those that exist."""
    named = os.environ.get("KUBECONFIG", "")
    paths = [Path(part) for part in named.split(os.pathsep) if part] or [Path.home() / ".kube" / "config"]
    return [path for path in paths if path.is_file()]


def merged(files: Sequence[Path]) -> Kubeconfig:
    """The files as kubectl and helm merge them: of two entries of one name the first, and the first current context.

    Raises UnreachableError where they cannot be read.
    """
    read = [(file, _document(file)) for file in files]
    return Kubeconfig(
        current=next((str(document["current-context"]) for _, document in read if document.get("current-context")), ""),
        contexts=_entries(read, "contexts", "context"),
        clusters=_entries(read, "clusters", "cluster"),
        users=_entries(read, "users", "user"),
    )


def _document(file: Path) -> Mapping[str, Any]:
    import yaml

    try:
        found = yaml.load(file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as cause:
        raise UnreachableError(f"the kubeconfig {file} cannot be read: {_words(cause)}") from cause
    if not isinstance(found, Mapping):
        raise UnreachableError(f"the kubeconfig {file} cannot be used: it is no mapping")
    return found


def _words(cause: Exception) -> str:
    """What is wrong and where, without the line itself: it may hold a token."""
    mark = getattr(cause, "problem_mark", None)
    problem = getattr(cause, "problem", None) or getattr(cause, "strerror", None)
    where = f" in line {mark.line + 1}" if mark is not None else ""
    return f"{problem or type(cause).__name__}{where}"


def _entries(read: Iterable[tuple[Path, Mapping[str, Any]]], plural: str, inner: str) -> Mapping[str, Entry]:
    found: dict[str, Entry] = {}
    for file, document in read:
        named = document.get(plural) or []
        if not isinstance(named, list):
            raise UnreachableError(f"the kubeconfig {file} cannot be used: its {plural} are no list")
        for row in named:
            if not isinstance(row, Mapping) or "name" not in row:
                raise UnreachableError(f"the kubeconfig {file} cannot be used: one of its {plural} has no name")
            settings = row.get(inner)
            entry = Entry(settings=settings if isinstance(settings, Mapping) else {}, folder=file.absolute().parent)
            found.setdefault(str(row["name"]), entry)
    return found
