"""Releases on the real node; one of each for many tests, for an installation takes longer than all their requests."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from llmdctl import kube
from tests.e2e.datapath.serving import QUICK, Serving, llmdctl
from tests.e2e.datapath.verified import Proved, verified

Install = Callable[..., contextlib.AbstractContextManager[Serving]]
InstallAll = Callable[..., contextlib.AbstractContextManager[dict[str, Serving]]]


@pytest.fixture(scope="session")
def serve_all(real_node) -> InstallAll:
    """`serve_all(recipe, model, {release: words})`: as `serve`, all at once in one namespace."""

    @contextlib.contextmanager
    def serving(recipe: str, model: str, releases: Mapping[str, Sequence[str]]) -> Iterator[dict[str, Serving]]:
        namespace = real_node.namespace("path")
        kubeconfig = Path(real_node.kubeconfig)

        def install(release: str) -> None:
            llmdctl(
                "install", recipe, release, "-n", namespace, "--accelerator", "h200", "-f", str(real_node.values),
                *QUICK, *releases[release], "--timeout", "100", kubeconfig=kubeconfig,
            )  # fmt: skip

        with ThreadPoolExecutor() as together:
            list(together.map(install, releases))
        cluster = kube.connect(kubeconfig=kubeconfig)
        with contextlib.ExitStack() as opened:
            inside = opened.enter_context(real_node.inside())
            yield {
                release: Serving(
                    cluster=cluster,
                    namespace=namespace,
                    release=release,
                    model=model,
                    url=opened.enter_context(real_node.forwarded(namespace, f"{release}-epp", 80)),
                    inside=inside,
                )
                for release in releases
            }
        real_node.free(namespace)

    return serving


@pytest.fixture(scope="session")
def serve(serve_all: InstallAll) -> Install:
    """`serve(recipe, model, *words)`: installed, ready, reached; gone at the end."""

    @contextlib.contextmanager
    def serving(recipe: str, model: str, *words: str, release: str = "r") -> Iterator[Serving]:
        with serve_all(recipe, model, {release: words}) as found:
            yield found[release]

    return serving


@pytest.fixture(scope="session")
def proved(real_node) -> Proved:
    """`proved(serving, unknown={"LV0701"})`: what verify says; nothing fails, and exactly these cannot be known."""

    def of(serving: Serving, unknown: AbstractSet[str] = frozenset()) -> Mapping[str, Mapping[str, Any]]:
        return verified(serving, Path(real_node.kubeconfig), unknown)

    return of


@pytest.fixture
def client(serving: Serving) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{serving.url}/v1", api_key="none", max_retries=0, timeout=30)
