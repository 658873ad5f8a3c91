"""Many requests at once, each of a class and a tenant, and in which order they were answered."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import openai

from tests.e2e.datapath.serving import Serving

MOST = 160  # requests that are under way at a time

HEADERS: Mapping[str, tuple[str, str]] = {
    "0.7": ("x-gateway-inference-objective", "x-gateway-inference-fairness-id"),
    "0.9": ("x-llm-d-inference-objective", "x-llm-d-inference-fairness-id"),
    "0.10": ("x-llm-d-inference-objective", "x-llm-d-inference-fairness-id"),
}
"""Version of the endpoint picker -> the headers of class and tenant."""


@dataclass(frozen=True, kw_only=True)
class Asking:
    """One request. `objective` and `tenant` are left out where they are empty."""

    prompt: str
    tokens: int = 2
    objective: str = ""
    tenant: str = ""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What became of one. Times are those of time.monotonic()."""

    asking: Asking
    began_s: float
    first_s: float  # of the first token; of the end, where there was none
    ended_s: float
    status: int  # of HTTP
    said: str = ""  # in an error

    @property
    def ttft_s(self) -> float:
        """How long the client waited for its first token."""
        return self.first_s - self.began_s


@dataclass
class Crowd:
    """Clients that stream, by the `openai` package."""

    serving: Serving
    dialect: str
    gap_s: float = 0.002  # between two requests, so that they arrive in the order in which they are sent
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(max_workers=MOST))

    def __post_init__(self) -> None:
        self._client = openai.OpenAI(
            base_url=f"{self.serving.url}/v1", api_key="none", max_retries=0, timeout=60,
        )  # fmt: skip

    def send(self, askings: Iterable[Asking]) -> list[Future[Answered]]:
        """All of them, one shortly after the other; nobody waits for an answer."""
        sent = []
        for asking in askings:
            sent.append(self._pool.submit(self._ask, asking))
            time.sleep(self.gap_s)
        return sent

    def in_turn(self, clients: Iterable[Sequence[Asking]]) -> list[Answered]:
        """Clients that each ask one after the other, all at once; in the order in which they were answered first."""
        sent = [self._pool.submit(lambda asked: [self._ask(each) for each in asked], client) for client in clients]
        answered = [each for client in sent for each in client.result(timeout=120)]
        return sorted(answered, key=lambda each: each.first_s)

    def headers(self, asking: Asking) -> dict[str, str]:
        """Of one request."""
        objective, tenant = HEADERS[self.dialect]
        named = {objective: f"{self.serving.release}-{asking.objective}"} if asking.objective else {}
        return named | ({tenant: asking.tenant} if asking.tenant else {})

    def _ask(self, asking: Asking) -> Answered:
        began_s = time.monotonic()
        first_s, status, said = 0.0, 200, ""
        try:
            stream = self._client.completions.create(
                model=self.serving.model, prompt=asking.prompt, max_tokens=asking.tokens, temperature=0, stream=True,
                extra_headers=self.headers(asking),
            )  # fmt: skip
            for _ in stream:
                first_s = first_s or time.monotonic()
        except openai.APIStatusError as refused:
            status, said = refused.status_code, refused.message
        ended_s = time.monotonic()
        return Answered(
            asking=asking, began_s=began_s, first_s=first_s or ended_s, ended_s=ended_s, status=status, said=said
        )


def all_of(sent: Iterable[Future[Answered]]) -> list[Answered]:
    """What became of them, in the order in which they were answered first."""
    return sorted((each.result(timeout=60) for each in sent), key=lambda answered: answered.first_s)


def mean(numbers: Iterable[float]) -> float:
    """Of one at least."""
    return statistics.fmean(numbers)


def switch(serving: Serving, role: str = "aggregate", **faults: float | bool) -> None:
    """Make the engine of every pod slow, stand still, or go on."""
    for pod in serving.pods(role):
        serving.post(pod, serving.port(role), "/_llmdctl/faults", faults)


@contextmanager
def standstill(serving: Serving, crowd: Crowd, *, fillers: int, waiting: int, slow: float = 20) -> Iterator[None]:
    """All engines are full, and stand still until the end of the context.

    `fillers` requests go in; once `waiting` of them wait in the engines, no step ends any more, so that the engines go
    on saying that they are full. Whatever is sent now waits in the endpoint picker. Those that were seen to wait may
    have begun before all stood still; then more go in.
    """
    filling: list[Future[Answered]] = []
    until_s = time.monotonic() + 10

    def full() -> bool:
        return serving.total("aggregate", "vllm:num_requests_waiting") >= waiting

    try:
        while not (filling and full()):
            switch(serving, hang=False, slow=slow)
            filling += crowd.send(
                Asking(prompt=f"filler {number} of {time.monotonic()}", tokens=40) for number in range(fillers)
            )
            while not full():
                assert time.monotonic() < until_s, "the engines never filled up"
                time.sleep(0.02)
            switch(serving, hang=True)
        yield
    finally:
        switch(serving, hang=False, slow=slow / 4)
    assert {each.status for each in all_of(filling)} == {200}
    switch(serving, slow=1)
