"""A case of tests/cases/verify as a release in memory: a World that is right, but for what the case says.

`world` sets its fields; `long` and `wake` are options of verify; of `config`, mappings are merged. `replace` changes
text in `loaded` and `envoy`; `change` merges into rendered objects, `live` into live ones, `add` adds objects, `logs`
gives engines a log (role -> text).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from llmdctl.model.proof import Proof, VerifyReport
from tests.unit.case_file import CaseFile, merged
from tests.unit.verify.world import CONFIG, ENVOY, LOADED, World, proof

FOLDER = Path(__file__).resolve().parents[2] / "cases" / "verify"
_TEXTS = {"loaded": LOADED, "envoy": ENVOY}


@dataclass(frozen=True)
class VerifyCase(CaseFile):
    """One file."""

    @property
    def code(self) -> str:
        return str(self.expected["code"])

    @property
    def outcome(self) -> str:
        return str(self.expected.get("outcome", "fail"))

    @property
    def verdict(self) -> str:
        """Words that the proof says."""
        return str(self.expected["verdict"])

    @cached_property
    def report(self) -> VerifyReport:
        wake_s = 600.0 if self.data.get("wake") else None
        return Seeded(case=self.data, **_fields(self.data)).verify(long=bool(self.data.get("long")), wake_s=wake_s)

    @property
    def proof(self) -> Proof:
        return proof(self.report, self.code)


@cache
def all_cases() -> tuple[VerifyCase, ...]:
    return tuple(VerifyCase(file) for file in sorted(FOLDER.glob("*.yaml")))


def _fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of World that a case sets."""
    found = dict(data.get("world") or {})
    for name, rows in (data.get("replace") or {}).items():
        text = _TEXTS[name]
        for row in rows:
            assert row["old"] in text, f"{row['old']} is not in {name}"
            text = text.replace(row["old"], row["new"])
        found[name] = text
    for name in ("args", "live_args", "log", "asleep", "epp_exposes"):
        if name in found:
            found[name] = tuple(found[name])
    if "config" in found:
        found["config"] = {**copy.deepcopy(CONFIG), **found["config"]}
    return found | {"extra": tuple(data.get("add", ()))}


class Seeded(World):
    """A World with changes to its objects and with logs of engines."""

    def __init__(self, *, case: Mapping[str, Any], **fields: Any) -> None:
        self.case = case
        super().__init__(**fields)

    def rendered(self) -> list[dict[str, Any]]:
        return [_changed(obj, self.case.get("change", ())) for obj in super().rendered()]

    def live(self) -> None:
        super().live()
        for change in self.case.get("live", ()):
            kind, name = change["object"].split("/")
            found = self.cluster.find(kind, name)
            self.cluster.put(merged(found, change["merge"]))
        for role, text in (self.case.get("logs") or {}).items():
            for number in range(2):
                self.cluster.pod_logs[f"pd-{role}-{number}", "engine", False] = tuple(text.splitlines())


def _changed(obj: dict[str, Any], changes: Any) -> dict[str, Any]:
    for change in changes:
        if change["object"] == f"{obj['kind']}/{obj['metadata']['name']}":
            obj = merged(obj, change["merge"])
    return json.loads(json.dumps(obj))
