"""Sending the requests of a run through the entrance, and never more than the budget."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from llmdctl.errors import BrokenOffError, ClusterError, NoAnswerError, PortClosedError
from llmdctl.kube import PodHttp, Reply
from llmdctl.release.verify.entrance import Entrance
from llmdctl.release.verify.observed import Exchange
from llmdctl.release.verify.prompts import LONG, LONG_S, Sent

REQUEST_S: Final = 60.0
"""The longest time of one request: the first one after a start sets up KV transfer, which has been seen to take 31 s
(vLLM 0.32.0 with NIXL 1.5.1)."""
_TELLING: Final = (BrokenOffError, NoAnswerError, PortClosedError)  # other errors say nothing of the release
_KEPT_BYTES: Final = 1 << 20


@dataclass(kw_only=True)
class Sender:
    """Sends, counts and times."""

    pods: PodHttp
    entrance: Entrance
    budget: int
    request_s: float = REQUEST_S
    now_s: Callable[[], float] = time.monotonic
    sent: int = 0
    exchanges: dict[str, Exchange] = field(default_factory=dict)

    def send(self, request: Sent, *, limit_s: float | None = None) -> Exchange | None:
        """One request and what came of it, within `limit_s` or as long as any; None when the budget is spent."""
        if self.sent >= self.budget:
            return None
        self.sent += 1
        started_s = self.now_s()
        try:
            made = self._stream(request, started_s) if request.stream else self._whole(request, limit_s)
        except ClusterError as error:
            made = Exchange(name=request.name, error=error.message, blind=not isinstance(error, _TELLING))
        done = Exchange(
            name=made.name, reply=made.reply, error=made.error, blind=made.blind,
            longest_silence_s=made.longest_silence_s, seconds=self.now_s() - started_s,
        )  # fmt: skip
        self.exchanges[request.name] = done
        return done

    def _whole(self, request: Sent, limit_s: float | None) -> Exchange:
        reply = self.pods.request(
            self.entrance.namespace, self.entrance.pod, self.entrance.port, request.method,
            self.entrance.prefix + request.path, body=request.body, headers=self._headers(),
            timeout_s=limit_s or self.request_s,
        )  # fmt: skip
        return Exchange(name=request.name, reply=reply)

    def _stream(self, request: Sent, started_s: float) -> Exchange:
        answer = self.pods.stream(
            self.entrance.namespace, self.entrance.pod, self.entrance.port, request.method,
            self.entrance.prefix + request.path, body=request.body, headers=self._headers(), timeout_s=self.request_s,
        )  # fmt: skip
        body, silence_s, last_s = b"", 0.0, started_s
        error = ""
        try:
            for piece in answer:
                now_s = self.now_s()
                silence_s, last_s = max(silence_s, now_s - last_s), now_s
                body = (body + piece)[-_KEPT_BYTES:]
                if request.name == LONG and now_s - started_s >= LONG_S:
                    break
        except ClusterError as broken:
            error = broken.message
        finally:
            answer.close()
        reply = Reply(status=answer.status, headers=answer.headers, body=body)
        return Exchange(name=request.name, reply=reply, error=error, longest_silence_s=silence_s)

    def _headers(self) -> dict[str, str]:
        headers = {"content-type": "application/json", "accept": "*/*"}
        return headers | ({"host": self.entrance.host} if self.entrance.host else {})
