"""Clients that keep asking, and what became of every request."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_LIMIT_S = 30


@dataclass(frozen=True)
class Asked:
    """One streamed request. `error` is empty where its stream came to [DONE]."""

    began_s: float  # time.monotonic()
    took_s: float
    error: str


@dataclass
class Load:
    """Clients in threads, each with one request after the other. Requests that run at `stop` are waited for."""

    url: str
    model: str
    clients: int = 6
    tokens: int = 40
    pause_s: float = 0.0  # between a client's requests
    asked: list[Asked] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        for client in range(self.clients):
            self._threads.append(threading.Thread(target=self._client, args=(client,), daemon=True))
            self._threads[-1].start()

    def stop(self) -> list[Asked]:
        self._stopping.set()
        for thread in self._threads:
            thread.join(_LIMIT_S + 5)
            assert not thread.is_alive(), "a request neither ended nor failed"
        return self.asked

    def failed(self) -> list[Asked]:
        return [each for each in self.asked if each.error]

    def _client(self, client: int) -> None:
        number = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            error = stream(self.url, self.model, f"client {client} asks {number}", self.tokens)
            self.asked.append(Asked(began_s=began, took_s=time.monotonic() - began, error=error))
            number += 1
            self._stopping.wait(self.pause_s)


@contextlib.contextmanager
def running(load: Load) -> Iterator[Load]:
    load.start()
    try:
        yield load
    finally:
        load.stop()


def stream(url: str, model: str, prompt: str, tokens: int) -> str:
    """One streamed completion on a connection of its own; why it failed, empty where it did not."""
    body = json.dumps({"model": model, "prompt": prompt, "max_tokens": tokens, "stream": True})
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=_LIMIT_S)
    try:
        connection.request("POST", "/v1/completions", body=body, headers={"content-type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as cause:
        return f"{type(cause).__name__}: {cause}"
    finally:
        connection.close()
    if answer.status != 200:
        return f"{answer.status}: {text[:120]}"
    return "" if text.rstrip().endswith("[DONE]") else f"cut off after {len(text)} bytes"
