"""Pods in memory that answer HTTP, satisfying `llmdctl.kube.PodHttp`: real code decides, this only carries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from llmdctl.errors import ClusterError, PodGoneError
from llmdctl.kube import Reply


@dataclass(frozen=True)
class PodRequest:
    """One request as a pod got it."""

    namespace: str
    pod: str
    port: int
    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> dict[str, object]:
        return json.loads(self.body or b"{}")


Answer = Reply | ClusterError
Answerer = Callable[[PodRequest], Answer | None]


class FakePods:
    """`replies[pod, port, path]` is an answer, an error to raise, or a function of the request; `otherwise` is asked
    for anything else, and None from it is a pod that is not there.
    """

    def __init__(self) -> None:
        self.replies: dict[tuple[str, int, str], Answer | Answerer] = {}
        self.otherwise: Answerer | None = None
        self.asked: list[PodRequest] = []

    def on(self, pod: str, port: int, path: str, answer: Answer | Answerer | str) -> None:
        self.replies[pod, port, path] = Reply(status=200, body=answer.encode()) if isinstance(answer, str) else answer

    def request(self, namespace, pod, port, method, path, *, body=None, headers=None, timeout_s=15.0) -> Reply:
        asked = PodRequest(namespace, pod, port, method, path, body, dict(headers or {}))
        self.asked.append(asked)
        answer = self.replies.get((pod, port, path.partition("?")[0]))
        if answer is None and self.otherwise is not None:
            answer = self.otherwise
        if callable(answer):
            answer = answer(asked)
        if answer is None:
            raise PodGoneError(f"{method} {path} of pod {pod}, port {port}: there is no pod {pod}")
        if isinstance(answer, ClusterError):
            raise answer
        return answer

    def stream(self, namespace, pod, port, method, path, *, body=None, headers=None, timeout_s=15.0) -> FakeStream:
        return FakeStream(self.request(namespace, pod, port, method, path, body=body, headers=headers))


class FakeStream:
    """An answer in pieces of one line each."""

    def __init__(self, reply: Reply) -> None:
        self.status, self.headers, self._body = reply.status, reply.headers, reply.body

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body.splitlines(keepends=True))

    def close(self) -> None:
        """Nothing is open."""
