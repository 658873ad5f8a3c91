"""Releases on the real node; one of each for many tests, for an installation takes longer than all their requests."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import pytest

from llmdctl import kube
from tests.e2e.datapath.serving import Serving, llmdctl

Install = Callable[..., contextlib.AbstractContextManager[Serving]]


@pytest.fixture(scope="session")
def serve(real_node) -> Install:
    """`serve(recipe, model, *words)`: installed, ready, reached; gone at the end."""

    @contextlib.contextmanager
    def serving(recipe: str, model: str, *words: str, release: str = "r") -> Iterator[Serving]:
        namespace = real_node.namespace("path")
        values = real_node.values
        llmdctl(
            "install", recipe, release, "-n", namespace, "--accelerator", "h200", "-f", str(values), *words,
            "--timeout", "100", kubeconfig=Path(real_node.kubeconfig),
        )  # fmt: skip
        cluster = kube.connect(kubeconfig=Path(real_node.kubeconfig))
        with real_node.forwarded(namespace, f"{release}-epp", 80) as url:
            yield Serving(cluster=cluster, namespace=namespace, release=release, model=model, url=url)
        real_node.empty(namespace)

    return serving


@pytest.fixture(scope="session")
def baseline(serve: Install) -> Iterator[Serving]:
    """optimized-baseline with three replicas, for every module that wants one behind an endpoint picker."""
    with serve("optimized-baseline", "Qwen/Qwen3-32B", "--role", "aggregate.replicas=3") as found:
        yield found


@pytest.fixture
def client(serving: Serving) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{serving.url}/v1", api_key="none", max_retries=0, timeout=30)
