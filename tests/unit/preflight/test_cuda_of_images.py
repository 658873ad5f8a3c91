"""Which CUDA an image is built with, and what is not said is not guessed."""

from __future__ import annotations

import pytest

from llmdctl.preflight.images import cuda_major

IMAGES = {
    "docker.io/vllm/vllm-openai:v0.23.0": 13,
    "docker.io/vllm/vllm-openai:v0.20.0": 13,
    "docker.io/vllm/vllm-openai:v0.19.1": None,
    "docker.io/vllm/vllm-openai:v0.19.1-cu130": 13,
    "docker.io/vllm/vllm-openai:v0.23.0-cu129": 12,
    "docker.io/lmsysorg/sglang:v0.5.3-cu126": 12,
    "ghcr.io/llm-d/llm-d-cuda:v0.8.0": None,  # the name says CUDA, and not which
    "registry.example.com:5000/vllm/vllm-openai:v0.23.0": 13,
    "docker.io/rocm/vllm:latest": None,
}


@pytest.mark.parametrize(("image", "major"), IMAGES.items(), ids=IMAGES)
def test_the_tag_tells_the_major_version(image: str, major: int | None) -> None:
    assert cuda_major(image) == major
