"""The files that a kubeconfig is made of, and what they say together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmdctl.errors import UnreachableError

if TYPE_CHECKING:
    from kubernetes.config.kube_config import ConfigNode


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What stands below one name. `folder` is where its relative paths begin."""

    settings: Mapping[str, Any]
    folder: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Kubeconfig:
    """The named entries of one or more files."""

    current: str  # the name of a context
    contexts: Mapping[str, Entry]
    clusters: Mapping[str, Entry]
    users: Mapping[str, Entry]


def kubeconfig_files() -> list[Path]:
    """The files that KUBECONFIG names, else that of the home folder; those that exist."""
    named = os.environ.get("KUBECONFIG", "")
    paths = [Path(part) for part in named.split(os.pathsep) if part] or [Path.home() / ".kube" / "config"]
    return [path for path in paths if path.is_file()]


def merged(files: Sequence[Path]) -> Kubeconfig:
    """The files as the official client merges them: of two entries of one name the first.

    Raises UnreachableError where they cannot be read.
    """
    from kubernetes.config import ConfigException
    from kubernetes.config.kube_config import KubeConfigMerger
    from yaml import YAMLError

    try:
        found: Any = KubeConfigMerger(os.pathsep.join(str(file) for file in files)).config  # type: ignore[no-untyped-call]
        return Kubeconfig(
            current=str(found.value.get("current-context") or ""),
            contexts=_entries(found.value["contexts"], "context"),
            clusters=_entries(found.value["clusters"], "cluster"),
            users=_entries(found.value["users"], "user"),
        )
    except (ConfigException, YAMLError, OSError, UnicodeDecodeError, AttributeError, TypeError, KeyError) as cause:
        raise UnreachableError("the kubeconfig cannot be read") from cause


def _entries(nodes: Iterable[ConfigNode], inner: str) -> Mapping[str, Entry]:
    found = {}
    for node in nodes:
        settings = node.value.get(inner)
        entry = Entry(settings=settings if isinstance(settings, Mapping) else {}, folder=Path(node.path).parent)
        found[str(node.value.get("name"))] = entry
    return found
