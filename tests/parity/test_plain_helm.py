"""`helm template charts/llmd -f paths/<recipe>/values.yaml` gives the same objects as llmdctl, with nothing of ours.

Object for object: as generated, with a user's file on top, and with `--set` of each documented value in turn.
"""

from __future__ import annotations

import functools
import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from llmdctl import assets, programs
from llmdctl.errors import LlmdctlError
from llmdctl.helm import open_renderer, parse_manifests
from llmdctl.model.selection import Overrides, Selection
from llmdctl.recipe import Catalog, compose, kept_cells
from llmdctl.values import build

pytestmark = pytest.mark.programs

CHART = assets.charts() / "llmd"
KUBERNETES = "1.34.4"
GROUP = 24  # settings tried at once
SUBCHARTS = ("gateway", "scheduler", "modelserver", "kvstore", "autoscaling", "monitoring")
CATALOG = Catalog.load([assets.paths()])
CELLS = dict(kept_cells(CATALOG))

USER_FILE = """
scheduler:
  replicas: 2
  nodeSelector: {pool: cpu}
modelserver:
  roleDefaults:
    env:
      EXTRA: "on"
      VLLM_NO_USAGE_STATS: null
    args:
      max-num-seqs: 1048576
    podAnnotations: {example.com/team: "y"}
"""


@functools.cache
def helm(major: int) -> str:
    return str(programs.find("helm3" if major == 3 else "helm").path)


def plain(file: str, *options: str, major: int = 4) -> list[Any] | None:
    """The objects by Helm alone; None when Helm or the chart refuses."""
    command = [helm(major), "template", "pd", str(CHART), "-n", "n", "-f", str(assets.paths() / file)]
    done = subprocess.run(
        [*command, "--kube-version", KUBERNETES, *options], check=False, capture_output=True, text=True
    )
    return None if done.returncode else list(parse_manifests(done.stdout))


def ours(selection: Selection, overrides: Overrides) -> list[Any] | None:
    """The objects by llmdctl; None when it refuses."""
    try:
        spec = build(compose(CATALOG, selection, overrides), name="pd", namespace="n")
        return list(open_renderer().render(spec, kube_version=KUBERNETES).objects)
    except LlmdctlError:
        return None


@pytest.mark.parametrize("major", [3, 4])
@pytest.mark.parametrize("file", sorted(CELLS))
def test_each_generated_file(file: str, major: int) -> None:
    expected = ours(CELLS[file], Overrides())
    assert expected
    assert plain(file, major=major) == expected


@pytest.mark.parametrize("file", ["optimized-baseline/values.yaml", "pd-disaggregation/values.yaml"])
def test_with_a_user_file(file: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(USER_FILE)
    expected = ours(CELLS[file], Overrides(files=(mine,)))
    assert expected
    assert plain(file, "-f", str(mine)) == expected
    assert "1048576" in json.dumps(expected)


@dataclass(frozen=True)
class Setting:
    """One documented value and another value for it."""

    key: str
    text: str


def documented(chart: str) -> Iterator[Setting]:
    """Every leaf of a chart's schema with a value that differs from its default."""
    schema = json.loads((assets.charts() / chart / "values.schema.json").read_text())
    prefix = () if chart == "llmd" else (chart,)
    for key, leaf in leaves(schema, schema, ()):
        if key[0] in SUBCHARTS or key[0] == "llmd-library" or (chart != "llmd" and key[0] == "global"):
            continue
        if (text := sample(leaf)) is not None:
            yield Setting(".".join((*prefix, *key)), text)


def leaves(node: Any, root: Any, path: tuple[str, ...], depth: int = 0) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Scalar leaves of a JSON Schema, references and nullable alternatives followed."""
    node = resolved(node, root)
    properties = node.get("properties")
    if properties is None or depth > 8:
        if path:
            yield path, node
        return
    for name, child in properties.items():
        if "." not in name:
            yield from leaves(child, root, (*path, name), depth + 1)


def resolved(node: Any, root: Any) -> Any:
    while True:
        if "$ref" in node:
            target = root
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            node = target
        elif "anyOf" in node or "oneOf" in node:
            choices = [choice for choice in node.get("anyOf") or node["oneOf"] if choice.get("type") != "null"]
            node = choices[0]
        else:
            return node


def sample(leaf: Any) -> str | None:
    """A value in --set's grammar for one scalar leaf; None for mappings and lists, which have no one value."""
    kinds = leaf.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if "enum" in leaf:
        names = [str(choice) for choice in leaf["enum"] if choice is not None]
        return names[-1]
    if "boolean" in kinds:
        return str(not leaf.get("default", False)).lower()
    if "integer" in kinds or "number" in kinds:
        return str(min(max(int(leaf.get("minimum", 0)) + 2, 2), int(leaf.get("maximum", 10**9))))
    return "sample" if "string" in kinds else None


# What llmdctl computes from facts after the user's settings, and a baked file cannot: the sizes of another model (the
# chart refuses them), the memory of a role that the file does not have, and the images of another endpoint picker (the
# chart refuses the file's images and names the right ones; the next test holds that with them the objects are equal).
RECOMPUTED = {
    "global.llmd.model.id",
    "modelserver.sizing.model",
    "global.llmd.roles.encode.workload",
    "global.llmd.eppVersion",
}


@pytest.mark.parametrize("chart", ["llmd", *SUBCHARTS])
def test_with_each_documented_value_set(chart: str) -> None:
    settings = [setting for setting in documented(chart) if setting.key not in RECOMPUTED]
    file = "pd-disaggregation/values.yaml"
    untouched = plain(file)

    def different_in(arguments: tuple[str, ...]) -> list[str]:
        """Those of `arguments` whose effect differs. Together first: what both accept at once needs no second look."""
        by_helm = plain(file, "--set", ",".join(arguments))
        by_us = ours(CELLS[file], Overrides(sets=arguments))
        if by_helm == by_us and (by_us is not None or len(arguments) == 1):
            return []
        if len(arguments) == 1:
            # llmdctl may say no where Helm silently does nothing: a role or a chart that this release has not.
            return [] if by_us is None and by_helm == untouched else list(arguments)
        half = len(arguments) // 2
        return [*different_in(arguments[:half]), *different_in(arguments[half:])]

    arguments = tuple(f"{setting.key}={setting.text}" for setting in settings)
    taken = [argument for argument in arguments if ours(CELLS[file], Overrides(sets=(argument,))) is not None]
    groups = [(argument,) for argument in arguments if argument not in taken]  # one refusal would hide the others
    groups += [tuple(taken[start : start + GROUP]) for start in range(0, len(taken), GROUP)]
    with ThreadPoolExecutor(2) as pool:
        different = [argument for found in pool.map(different_in, groups) for argument in found]
    assert settings
    assert different == []


def test_another_endpoint_picker_takes_its_images_along() -> None:
    file = "pd-disaggregation/values.yaml"
    version = "global.llmd.eppVersion=0.10"
    assert plain(file, "--set", version) is None, "helm alone has to be told the images too"
    images = "scheduler.image.tag=v0.10.0,modelserver.routingSidecar.image.tag=v0.10.0"
    assert plain(file, "--set", f"{version},{images}") == ours(CELLS[file], Overrides(sets=(version,)))
