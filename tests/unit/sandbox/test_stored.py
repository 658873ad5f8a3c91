"""What is kept of CRDs between sandboxes: everything that an API server made of them, and no identity."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llmdctl.errors import ClusterError
from llmdctl.programs import Origin, Program
from llmdctl.sandbox import stored

CRD = {"metadata": {"name": "widgets.example.com"}, "spec": {"group": "example.com"}}
WORKING = [{"type": "NamesAccepted", "status": "True"}, {"type": "Established", "status": "True"}]


class Keys:
    """An etcd's keys."""

    def __init__(self, found: dict[str, bytes] | None = None) -> None:
        self.found = found or {}

    def below(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        return ((key, value) for key, value in self.found.items() if key.startswith(prefix))

    def put(self, entries: Iterable[tuple[str, bytes]]) -> None:
        self.found |= dict(entries)


def settled(conditions: list[dict[str, str]]) -> dict[str, Any]:
    metadata = {"name": "widgets.example.com", "uid": "first", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return CRD | {"metadata": metadata, "status": {"conditions": conditions}}


@pytest.fixture
def server(tmp_path: Path) -> Program:
    path = tmp_path / "kube-apiserver"
    path.write_text("1")
    return Program(name="kube-apiserver", path=path, version="1.34.4", origin=Origin.CACHE)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Program):
    monkeypatch.setenv("LLMDCTL_CACHE", str(tmp_path / "cache"))
    return stored.entry([CRD], server)


def kept(crd: dict[str, Any]) -> Keys:
    return Keys({f"{stored.PREFIX}widgets.example.com": json.dumps(crd).encode(), "/registry/secrets/a/b": b"secret"})


def test_what_one_server_stored_the_next_one_finds_as_new(place):
    assert not stored.restore(place, Keys())
    stored.keep(place, kept(settled(WORKING)))
    after = Keys()
    assert stored.restore(place, after)
    [(key, value)] = after.found.items()
    assert key == f"{stored.PREFIX}widgets.example.com"
    found = json.loads(value)
    assert found["status"] == {"conditions": WORKING}
    assert found["metadata"].pop("uid") != "first"
    assert found["metadata"].pop("creationTimestamp") > "2026-01-01T00:00:00Z"
    assert found["metadata"] == {"name": "widgets.example.com"}


def test_nothing_but_crds_is_kept(place):
    stored.keep(place, kept(settled(WORKING)))
    assert "secret" not in "".join(file.read_text() for file in place.path.iterdir())


@pytest.mark.parametrize("conditions", [[], WORKING[:1], [WORKING[0], WORKING[1] | {"status": "False"}]])
def test_what_is_not_served_yet_is_not_kept(place, conditions):
    with pytest.raises(ClusterError):
        stored.keep(place, kept(settled(conditions)))
    assert not place.filled


def test_other_crds_and_other_servers_have_other_places(place, server: Program):
    assert stored.entry([CRD], server) == place
    assert stored.entry([CRD | {"spec": {}}], server) != place
    server.path.write_text("12")
    assert stored.entry([CRD], server) != place


def test_a_damaged_file_is_as_none(place):
    stored.keep(place, kept(settled(WORKING)))
    (place.path / "definitions.json").write_text("{")
    assert not stored.restore(place, Keys())
