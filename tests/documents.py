"""Reading YAML in tests: with libyaml's scanner where it is there, which is some ten times faster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(text: str | bytes) -> Any:
    """The one document of a text."""
    return yaml.load(text, Loader=LOADER)


def load_all(text: str | bytes) -> Iterator[Any]:
    """Every document of a text."""
    return yaml.load_all(text, Loader=LOADER)
