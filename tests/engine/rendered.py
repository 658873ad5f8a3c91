"""The engine containers that the charts render, with the command line a shell would make of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from llmdctl import assets
from llmdctl.errors import LlmdctlError
from llmdctl.helm import open_renderer
from llmdctl.model.release import ReleaseSpec
from llmdctl.model.selection import Overrides, Selection
from llmdctl.recipe import Catalog, compose
from llmdctl.values import build
from tests.cells.batch import Batch
from tests.cells.remembered import Objects
from tests.cells.sections import sections

EVERYWHERE = ("default", "epp-0.7", "lora")
PATHS = ("pd-disaggregation", "precise-prefix-cache", "shared-kv-cache", "tiered-prefix-cache", "wide-ep")
"""Paths that are tried with every choice; the others with those above alone."""
FACETS: Mapping[str, tuple[Mapping[str, str], tuple[str, ...]]] = {
    "default": ({}, ()),
    "epp-0.7": ({}, ("global.llmd.eppVersion=0.7",)),
    "lora": ({}, ("modelserver.lora.adapters.sql.source=/adapters/sql", "modelserver.lora.dynamic=true")),
    "two-adapters": (
        {},
        ("modelserver.lora.adapters.sql.source=/adapters/sql", "modelserver.lora.adapters.de.source=/adapters/de"),
    ),
    "precise": ({"prefix_index": "precise"}, ()),
    "cpu": ({"kv_tier": "cpu"}, ()),
    "lmcache-cpu": ({"kv_tier": "lmcache-cpu", "model": "qwen3-32b"}, ()),
    "lmcache-redis": ({"kv_tier": "lmcache-redis", "model": "qwen3-32b"}, ()),
    "local-nvme": ({"kv_tier": "local-nvme", "model": "qwen3-32b"}, ()),
    "mooncake": ({"kv_tier": "mooncake", "model": "qwen3-32b"}, ()),
    "shared-fs": ({"kv_tier": "shared-fs"}, ()),
    "efa": ({"fabric": "efa", "platform": "eks"}, ()),
    "rdma": ({"fabric": "rdma-ib"}, ()),
    "throughput": ({"scheduling": "throughput"}, ()),
    "latency": ({"scheduling": "latency"}, ()),
}
"""Choices beside path and engine: facets and settings. Where a path does not go with one, it is left out."""
WHERE = {"POD_IP": "10.244.0.9", "LWS_LEADER_ADDRESS": "x-decode-0.x-decode.n", "LWS_GROUP_SIZE": "2"}
"""What Kubernetes and the LeaderWorkerSet controller put into a pod's environment."""


@dataclass(frozen=True, kw_only=True)
class Container:
    """One engine container."""

    path: str
    engine: str
    facet: str
    role: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: Mapping[str, str]
    ports: tuple[int, ...]
    pods: int  # of one replica

    def words(self, index: int = 0) -> list[str]:
        """The words after the program's name in pod `index` of its group, as the kubelet and the shell make them."""
        known = {**WHERE, **self.env, "LWS_WORKER_INDEX": str(index)}
        line = [_expanded(word, known) for word in (*self.command, *self.args)]
        if line[0] == "/bin/sh":
            line = [*line[4:], *_shell_words(line[2], index)]
        return line[1:] if line[0] == "vllm" else line[2:]


def containers() -> tuple[Container, ...]:
    """Those of every path, engine and choice; equal ones once."""
    return _containers()


@cache
def _containers() -> tuple[Container, ...]:
    catalog = Catalog.load([assets.paths()])
    asked = [
        (selection, facet, server)
        for path in catalog.names("path")
        for engine in ("vllm", "sglang")
        for facet, (names, sets) in FACETS.items()
        if facet in EVERYWHERE or path in PATHS
        for selection in (Selection(path=path, engine=engine, **names),)
        for server in _servers(catalog, selection, sets)
    ]
    found: dict[str, Container] = {}
    with TemporaryDirectory() as folder:
        batch = Batch.make(assets.charts() / "modelserver", Path(folder), open_renderer())
        rendered = batch.render([server for _, _, server in asked])
        for (selection, facet, _), objects in zip(asked, rendered, strict=True):
            for each in _of(objects, selection, facet):
                found.setdefault(repr((selection.path, each.command, each.args, each.env)), each)
    return tuple(found.values())


def _servers(catalog: Catalog, selection: Selection, sets: tuple[str, ...]) -> Iterator[ReleaseSpec]:
    """The model servers of a release; none where a path does not go with a choice."""
    with suppress(LlmdctlError):
        spec = build(compose(catalog, selection, Overrides(force=True, sets=sets)), name="x", namespace="n")
        yield from (section.spec for section in sections(spec) if section.key[0] == "modelserver")


def _of(objects: Objects, selection: Selection, facet: str) -> Iterator[Container]:
    if isinstance(objects, str):
        return  # the chart refuses the choice
    for item in objects:
        for template, pods in _templates(item):
            for container in template["spec"]["containers"]:
                if container["name"] == "engine":
                    yield _container(container, selection, facet, template["metadata"]["labels"]["llm-d.ai/role"], pods)


def _templates(item: Mapping[str, Any]) -> list[tuple[Any, int]]:
    if item["kind"] == "Deployment":
        return [(item["spec"]["template"], 1)]
    if item["kind"] == "LeaderWorkerSet":
        group = item["spec"]["leaderWorkerTemplate"]
        templates = [group[name] for name in ("leaderTemplate", "workerTemplate") if group.get(name)]
        return [(template, int(group["size"])) for template in templates]
    return []


def _container(raw: Mapping[str, Any], selection: Selection, facet: str, role: str, pods: int) -> Container:
    env = {each["name"]: each.get("value", WHERE["POD_IP"]) for each in raw.get("env", ())}
    known = {**WHERE, **env}
    return Container(
        path=selection.path, engine=str(selection.engine), facet=facet, role=role,
        command=tuple(raw["command"]), args=tuple(raw.get("args", ())),
        env={name: _expanded(str(value), known) for name, value in env.items()},
        ports=tuple(port["containerPort"] for port in raw.get("ports", ())), pods=pods,
    )  # fmt: skip


def _expanded(text: str, known: Mapping[str, str]) -> str:
    """$(NAME), as the kubelet replaces it; one that is not known stays."""
    return re.sub(r"\$\((\w+)\)", lambda match: known.get(match.group(1), match.group(0)), text)


def _shell_words(script: str, index: int) -> list[str]:
    """What `exec "$@" ...` adds, by a real shell."""
    import subprocess

    line = ["/bin/sh", "-c", script.replace("exec ", "", 1), "engine", "printf", "%s\\0"]
    done = subprocess.run(line, env={"LWS_WORKER_INDEX": str(index)}, check=True, capture_output=True, text=True)
    return done.stdout.split("\0")[:-1]
