"""`.llmdctl-lint.yaml`: what a repository says once about how it is linted."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from llmdctl.errors import Problem, UsageError
from llmdctl.lint.suppression import CODES, unknown_code

FILE_NAME: Final = ".llmdctl-lint.yaml"
_KEYS: Final = ("ignore", "engine_version", "epp_version")


@dataclass(frozen=True, kw_only=True, slots=True)
class Configuration:
    """The file's content; empty where there is no file."""

    ignore: tuple[str, ...] = field(default_factory=tuple)
    engine_version: str = ""
    epp_version: str = ""


def load(file: Path | None) -> Configuration:
    """The given file, else `.llmdctl-lint.yaml` in the working folder, else nothing.

    Raises UsageError with every mistake of the file.
    """
    place = file or Path(FILE_NAME)
    if file is None and not place.is_file():
        return Configuration()
    try:
        value = yaml.safe_load(place.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as cause:
        raise UsageError(f"{place} cannot be read: {getattr(cause, 'strerror', None) or cause}.") from cause
    except yaml.YAMLError as cause:
        raise UsageError(f"{place} is no valid YAML: {cause}") from cause
    if value is None:
        return Configuration()
    if not isinstance(value, Mapping):
        raise UsageError(f"{place} holds no mapping of keys to values.")
    problems = _problems(value, str(place))
    if problems:
        raise UsageError(f"{place} cannot be used.", problems=problems)
    versions = {key: str(value[key]) for key in _KEYS[1:] if key in value}
    return Configuration(ignore=tuple(value.get("ignore") or ()), **versions)


def _problems(value: Mapping[Any, Any], place: str) -> tuple[Problem, ...]:
    found: list[Problem] = []
    for key in value:
        if key not in _KEYS:
            near = difflib.get_close_matches(str(key), _KEYS, n=1)
            message = f"unknown key '{key}'."
            found.append(Problem(file=place, message=message, suggestion=near[0] if near else None))
    codes = value.get("ignore") or []
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        found.append(Problem(file=place, path="ignore", message="ignore is a list of codes, such as [LD1911]."))
        return tuple(found)
    found.extend(unknown_code(code, place) for code in codes if code not in CODES)
    return tuple(found)
