"""Containers are recognised by what they start, wherever it is written."""

from __future__ import annotations

from typing import Any

import pytest

from llmdctl.lint import Manifest, World


def world(**container: Any) -> World:
    pod = {"containers": [{"name": "c", "image": "registry/own:1", **container}]}
    return World([Manifest(value={"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": pod})])


@pytest.mark.parametrize(
    ("container", "engine"),
    [
        ({"command": ["vllm", "serve", "m"]}, "vllm"),
        ({"command": ["/opt/venv/bin/vllm", "serve"], "args": ["m"]}, "vllm"),
        ({"command": ["python3", "-m", "vllm.entrypoints.openai.api_server"], "args": ["--model=m"]}, "vllm"),
        ({"command": ["sh", "-c", "sleep 1; exec vllm serve m --port 8000"]}, "vllm"),
        ({"command": ["bash", "-c"], "args": ["if true; then\n numactl -N 0 vllm serve m\nfi"]}, "vllm"),
        ({"image": "vllm/vllm-openai:v0.23.0", "args": ["--model", "m"]}, "vllm"),
        ({"image": "ghcr.io/llm-d/llm-d-cuda:v0.8.0", "args": ["--model", "m"]}, "vllm"),
        ({"command": ["python3", "-m", "sglang.launch_server", "--model-path", "m"]}, "sglang"),
        ({"command": ["sglang", "serve"], "args": ["--model-path", "m"]}, "sglang"),
        ({"command": ["trtllm-serve", "serve", "m"]}, "trtllm"),
        ({"command": ["mpirun", "-n", "2", "trtllm-serve", "m"]}, "trtllm"),
        ({"image": "vllm/vllm-openai:v0.23.0", "command": ["sleep", "infinity"]}, None),
        ({"image": "ghcr.io/llm-d/llm-d-inference-sim:v0.5.0", "args": ["--model", "m"]}, None),
        ({"command": ["vllm", "bench", "serve"]}, None),
        ({"command": ["vllm", "serve", "--help"]}, None),
        ({"command": ["echo", "vllm"]}, None),
    ],
)
def test_engines(container: dict[str, Any], engine: str | None) -> None:
    assert [found.name for found in world(**container).engines] == ([engine] if engine else [])


@pytest.mark.parametrize(
    ("arguments", "port", "model", "served"),
    [
        (["m"], 8000, "m", ("m",)),
        (["m", "--port", "8200", "--served-model-name", "a", "b"], 8200, "m", ("a", "b")),
        (["--model=m", "--served-model-name=a"], 8000, "m", ("a",)),
        (["m", "--port=$(PORT)"], None, "m", ("m",)),
        (["--config", "/etc/vllm.yaml"], None, None, ()),
    ],
)
def test_what_an_engine_serves(
    arguments: list[str], port: int | None, model: str | None, served: tuple[str, ...]
) -> None:
    engine = world(command=["vllm", "serve"], args=arguments).engines[0]
    assert (engine.port, engine.model, engine.served_names) == (port, model, served)


def test_the_version_of_the_engine_is_that_of_its_own_images_only() -> None:
    versions = {
        "vllm/vllm-openai:v0.23.0": (0, 23, 0),
        "registry.local:5000/mirror/vllm-openai:v0.23.0-cu130@sha256:aa": (0, 23, 0),
        "vllm/vllm-openai:nightly": (),
        "ghcr.io/llm-d/llm-d-cuda:v0.8.0": (),  # llm-d's own number
    }
    for image, version in versions.items():
        assert world(image=image, args=["--model", "m"]).engines[0].version == version, image


def test_adapters_are_names_too() -> None:
    arguments = ["m", "--lora-modules", "x=/x", '{"name": "y", "path": "/y"}']
    assert world(command=["vllm", "serve"], args=arguments).engines[0].adapters == ("x", "y")


def test_pickers_and_sidecars() -> None:
    picker = world(image="ghcr.io/llm-d/llm-d-router-endpoint-picker:v0.9.0", args=["--pool-name=p"])
    assert [(epp.version, epp.config_missing) for epp in picker.epps] == [("0.9.0", "it is given no --config-file")]
    own = world(args=["--pool-name=p", "--config-file=/etc/x.yaml"])
    assert [epp.config_missing for epp in own.epps] == ["nothing is mounted at /etc/x.yaml"]
    sidecar = world(image="registry/own:1", args=["--port=8000", "--vllm-port=8200"])
    assert [found.line.integer("--vllm-port") for found in sidecar.sidecars] == [8200]
    assert not world(args=["--port=8000"]).sidecars
