"""The guides, and the commands in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
NAME = "guide"  # of the sandbox that the first guide brings up
_FIRST = "getting-started"
# Tables and reports; their own tests compare them with what they are made from.
_GENERATED = {"faults", "matrix", "preflight-eks", "preflight-gke", "preflight-openshift", "scheduler-versions"}
# They need a cluster, and are tried in the first one's, before its last block takes that down.
_INSIDE = ("preflight",)
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Parted:
    """The blocks of a guide with a sandbox: until that is up, while it is, and what takes it down."""

    beginning: tuple[str, ...]
    middle: tuple[str, ...]
    end: tuple[str, ...]


def blocks(guide: str) -> list[str]:
    """The commands of a guide."""
    found = _BLOCK.findall((ROOT / "guides" / f"{guide}.md").read_text())
    assert found, f"{guide}.md has no command block"
    return found


def _first() -> Parted:
    own = blocks(_FIRST)
    ups = [number for number, block in enumerate(own) if f"sandbox up --name {NAME}" in block]
    assert len(ups) == 1
    assert f"sandbox down --name {NAME}" in own[-1]
    inside = [block for guide in _INSIDE for block in blocks(guide)]
    after = ups[0] + 1
    return Parted(beginning=tuple(own[:after]), middle=(*own[after:-1], *inside), end=(own[-1],))


FIRST = _first()
# All others: they need no cluster.
PAGES = sorted(file.stem for file in (ROOT / "guides").glob("*.md") if file.stem not in {_FIRST, *_GENERATED, *_INSIDE})
