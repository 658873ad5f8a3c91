"""Program versions and the ranges that are accepted from PATH."""

from __future__ import annotations

import re
from typing import NamedTuple

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?")
_BOUND = re.compile(r"^(>=|<)(\d+(?:\.\d+){0,2})$")


class Version(NamedTuple):
    """Ordered by number; a pre-release sorts before its release."""

    major: int
    minor: int
    patch: int
    final: bool = True

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


def parse(text: str) -> Version | None:
    """The first version inside `text` (`v3.22.0+gabc`, `etcd Version: 3.6.16`), or None when there is none."""
    found = _VERSION.search(text)
    if found is None:
        return None
    major, minor, patch, pre = found.groups()
    return Version(int(major), int(minor), int(patch or 0), pre is None)


def fits(version: Version, accepted: str) -> bool:
    """Whether `version` lies in `accepted`, such as `>=3.20 <4 || >=4.2 <5`: a space is "and", `||` is "or".

    Raises ValueError for a range that cannot be read: that is a mistake in the catalogue.
    """
    return any(all(_within(version, bound) for bound in group.split()) for group in accepted.split("||"))


def _within(version: Version, bound: str) -> bool:
    found = _BOUND.match(bound)
    if found is None:
        raise ValueError(f"not a version bound: {bound!r}")
    numbers = [int(part) for part in found.group(2).split(".")] + [0, 0]
    edge = (numbers[0], numbers[1], numbers[2])
    at = (version.major, version.minor, version.patch)
    # 4.0.0-rc.1 is neither a fitting 4.0.0 nor below it: a pre-release of the edge satisfies no bound.
    if at == edge and not version.final:
        return False
    return at >= edge if found.group(1) == ">=" else at < edge
