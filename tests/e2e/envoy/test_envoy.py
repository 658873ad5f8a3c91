"""The real Envoy accepts every proxy configuration that the scheduler chart renders, and refuses a broken one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmdctl import assets
from llmdctl.helm import open_renderer
from llmdctl.model.release import ReleaseSpec
from llmdctl.model.selection import Overrides, Selection
from llmdctl.recipe import Catalog, compose
from llmdctl.values import build

ENVOY = Path(sys.executable).parent / "envoy"

CASES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "nothing to fall back to": {"failureMode": "FailClose"},
    "plain text to the picker": {"secureServing": False},
    "everything logged": {"proxy": {"accessLog": True}},
    "no limit of silence": {"proxy": {"streamIdleTimeoutSeconds": 0}},
    "a short limit of silence": {"proxy": {"streamIdleTimeoutSeconds": 30}},
    "no drain": {"proxy": {"drainSeconds": 0}},
    "quotas": {"proxy": {"tenants": {"limits": {"acme": {"requests": 100}}, "others": {"requests": 10}}}},
    "other ports": {
        "global": {"llmd": {"ports": {"proxy": 18081, "extProc": 19002, "envoyAdmin": 20000, "serving": 9000}}}
    },
    "prefill and decode": {"global": {"llmd": {"roles": {"prefill": {}, "decode": {}}}}},
    "a long name": {"nameOfRelease": "a234567890-b234567890-c234567890-d234567890-e2345678x"},
}


def proxy_of(spec: ReleaseSpec) -> str:
    (text,) = (
        found["data"]["envoy.yaml"]
        for found in open_renderer().render(spec).objects
        if "envoy.yaml" in (found.get("data") or {})
    )
    return str(text)


def rendered(values: dict[str, Any]) -> str:
    values = dict(values)
    name = values.pop("nameOfRelease", "pd")
    chart = assets.charts() / "scheduler"
    return proxy_of(
        ReleaseSpec(name=name, namespace="n", chart=chart, values=values, recipe="", facets={}, evidence="derived")
    )


def validate(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "envoy.yaml").write_text(text, encoding="utf-8")
    command = [str(ENVOY), "--mode", "validate", "-c", str(folder / "envoy.yaml"), "--log-level", "error"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("name", CASES)
def test_it_accepts_what_the_chart_renders(name: str, tmp_path: Path) -> None:
    finished = validate(rendered(CASES[name]), tmp_path)
    assert finished.returncode == 0, finished.stderr


def test_it_accepts_the_proxy_of_every_path(tmp_path: Path) -> None:
    catalog = Catalog.load([assets.paths()])
    paths = [path.name for path in catalog.paths if "standalone" in path.offers.get("gateway", ("standalone",))]
    texts: dict[str, str] = {}
    for path in paths:
        recipe = compose(catalog, Selection(path=path, gateway="standalone"), Overrides(force=True))
        texts.setdefault(proxy_of(build(recipe, name="pd", namespace="n")), path)
    assert texts
    for text, path in texts.items():
        finished = validate(text, tmp_path)
        assert finished.returncode == 0, f"{path}: {finished.stderr}"


@pytest.mark.parametrize("flags", [{}, {"component-log-level": "http:debug", "log-level": None}])
def test_it_takes_the_command_line_of_its_container(flags: dict[str, Any], tmp_path: Path) -> None:
    spec = ReleaseSpec(
        name="pd", namespace="n", chart=assets.charts() / "scheduler", values={"proxy": {"flags": flags}},
        recipe="", facets={}, evidence="derived",
    )  # fmt: skip
    objects = open_renderer().render(spec).objects
    pods = [obj["spec"]["template"]["spec"] for obj in objects if obj["kind"] == "Deployment"]
    (proxy,) = (each for pod in pods for each in pod["containers"] if each["name"] == "proxy")
    (tmp_path / "envoy.yaml").write_text(proxy_of(spec), encoding="utf-8")
    words = [word.replace("/etc/envoy", str(tmp_path)) for word in proxy["args"]]
    command = [str(ENVOY), "--mode", "validate", *words]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("mistake", ["unknown field", "unknown cluster", "wrong type"])
def test_it_refuses_a_seeded_mistake(mistake: str, tmp_path: Path) -> None:
    configuration = yaml.safe_load(rendered({}))
    listener = configuration["static_resources"]["listeners"][0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    match mistake:
        case "unknown field":
            manager["stream_idle_timeouts"] = "1s"
        case "unknown cluster":
            manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]["cluster"] = "nowhere"
            manager["route_config"]["validate_clusters"] = True
        case "wrong type":
            listener["address"]["socket_address"]["port_value"] = "eighty"
    finished = validate(yaml.safe_dump(configuration), tmp_path)
    assert finished.returncode != 0
