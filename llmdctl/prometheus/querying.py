"""Questions to a Prometheus server: instant and range queries, and what it scrapes.

The HTTP API is https://prometheus.io/docs/prometheus/latest/querying/api/, which Thanos, Mimir and the clouds' managed
services answer as well. How a request travels is injected, so that a Prometheus inside a cluster can be asked through
the API server; `over_http` is the plain way.
"""

from __future__ import annotations

import http.client
import json
import math
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from llmdctl.errors import (
    ClusterError,
    ForbiddenError,
    TimedOutError,
    UnauthenticatedError,
    UnreachableError,
    UsageError,
)

_LIMIT_S = 10.0
_SAID_LIMIT = 300  # characters of an answer that is none


class QueryError(ClusterError):
    """Prometheus answered, and says that the question is wrong or cannot be answered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: bytes


Ask = Callable[[str], Answer]
"""A path with its query, such as `/api/v1/query?query=up` -> the answer. Raises ClusterError where there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One value. `at_s` is seconds since the epoch."""

    at_s: float
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """One series of an answer; an instant query gives it one point. A scalar has no labels."""

    labels: Mapping[str, str]
    points: tuple[Point, ...]

    @property
    def value(self) -> float:
        """The last value."""
        return self.points[-1].value


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Something that Prometheus scrapes. `error` says why its last scrape failed."""

    pool: str
    url: str
    up: bool
    error: str
    labels: Mapping[str, str]


class Prometheus:
    """One server."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def instant(self, query: str, *, at_s: float | None = None) -> tuple[Series, ...]:
        """The series of a query now, or at a time; empty where there is none. Raises QueryError, ClusterError."""
        moment = {} if at_s is None else {"time": f"{at_s:.3f}"}
        return _series(self._data("/api/v1/query", {"query": query} | moment))

    def number(self, query: str) -> float | None:
        """The value of a query that gives at most one series; None where it gives none, which is not 0.

        Raises QueryError for a query that gives several.
        """
        found = self.instant(query)
        if len(found) > 1:
            raise QueryError(f"{query}: one series is needed, and there are {len(found)}")
        return found[0].value if found else None

    def over(self, query: str, *, start_s: float, end_s: float, step_s: float) -> tuple[Series, ...]:
        """The series of a query over a time, a point every `step_s`. Raises QueryError, ClusterError."""
        bounds = {"start": f"{start_s:.3f}", "end": f"{end_s:.3f}", "step": f"{step_s:g}"}
        return _series(self._data("/api/v1/query_range", {"query": query} | bounds))

    def targets(self) -> tuple[Target, ...]:
        """Everything that is being scraped."""
        data = self._data("/api/v1/targets", {"state": "active"})
        return tuple(
            Target(
                pool=str(entry.get("scrapePool", "")),
                url=str(entry.get("scrapeUrl", "")),
                up=entry.get("health") == "up",
                error=str(entry.get("lastError", "")),
                labels=dict(entry.get("labels", {})),
            )
            for entry in data.get("activeTargets", [])
        )

    def _data(self, path: str, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        answer = self._ask(f"{path}?{urlencode(parameters)}")
        document = _document(answer)
        if answer.status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
            kind = UnauthenticatedError if answer.status == http.client.UNAUTHORIZED else ForbiddenError
            raise kind(f"Prometheus refuses the question (HTTP {answer.status})")
        moved = http.client.MULTIPLE_CHOICES <= answer.status < http.client.BAD_REQUEST
        if moved or document is None or document.get("status") not in ("success", "error"):
            said = answer.body.decode(errors="replace").strip()[:_SAID_LIMIT]
            raise UnreachableError(f"no Prometheus answers there (HTTP {answer.status}): {said or 'nothing was said'}")
        if document["status"] == "error":
            raise QueryError(f"Prometheus says {document.get('errorType', 'error')}: {document.get('error', '')}")
        data: Mapping[str, Any] = document["data"]
        return data


def token_from(reference: str) -> Callable[[], str]:
    """How to get a bearer token at each request: `file:PATH` or `env:NAME`, never the token itself.

    Raises UsageError for any other form; the returned function raises it for a file or variable that is not there.
    """
    kind, _, name = reference.partition(":")
    if kind not in ("file", "env") or not name:
        raise UsageError("a token is given by reference only", remedy="Write file:PATH or env:NAME.")

    def read() -> str:
        try:
            return Path(name).read_text(encoding="utf-8").strip() if kind == "file" else os.environ[name]
        except (OSError, KeyError) as error:
            raise UsageError(f"the token {reference} cannot be read") from error

    return read


def over_http(
    address: str,
    *,
    token: Callable[[], str] | None = None,
    authority: Path | None = None,
    limit_s: float = _LIMIT_S,
) -> Ask:
    """The plain way to `address`, such as `https://prometheus.example.com/base`.

    TLS is verified, by `authority` (a PEM file) where it is given. A token goes over TLS, or to this machine, only.
    Raises UsageError for an address that is none.
    """
    base = urlsplit(address)
    if base.scheme not in ("http", "https") or not base.hostname:
        raise UsageError(f"'{address}' is not the address of a Prometheus", remedy="Write https://HOST[:PORT][/PATH].")
    if token and base.scheme == "http" and base.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise UsageError(f"a token would travel readable to {address}", remedy="Use https.")
    context = ssl.create_default_context(cafile=None if authority is None else str(authority))
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _NoRedirect())

    def ask(path: str) -> Answer:
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token()}"} if token else {})
        request = urllib.request.Request(address.rstrip("/") + path, headers=headers)
        try:
            with opener.open(request, timeout=limit_s) as answer:
                return Answer(status=answer.status, body=answer.read())
        except urllib.error.HTTPError as error:
            return Answer(status=error.code, body=error.read())
        except TimeoutError as error:
            raise TimedOutError(f"{address} gave no answer within {limit_s:g} s") from error
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(address, error, limit_s) from error

    return ask


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A login page is no Prometheus, and a token must not follow a redirect elsewhere."""

    def redirect_request(self, *_: object) -> None:
        return None


def _unreachable(address: str, error: Exception, limit_s: float) -> UnreachableError:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return TimedOutError(f"{address} gave no answer within {limit_s:g} s")
    return UnreachableError(f"{address} cannot be asked: {reason}")


def _document(answer: Answer) -> Mapping[str, Any] | None:
    try:
        found = json.loads(answer.body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _series(data: Mapping[str, Any]) -> tuple[Series, ...]:
    """The four result types of the API; a string result has no number and gives nothing."""
    kind, result = data.get("resultType"), data.get("result", [])
    if kind == "scalar":
        return (Series(labels={}, points=(_point(result),)),)
    if kind == "vector":
        return tuple(Series(labels=entry["metric"], points=(_point(entry["value"]),)) for entry in result)
    if kind == "matrix":
        return tuple(
            Series(labels=entry["metric"], points=tuple(_point(pair) for pair in entry["values"])) for entry in result
        )
    return ()


def _point(pair: list[Any]) -> Point:
    """[seconds, "value"]; the API writes `NaN`, `+Inf` and `-Inf` as Go does."""
    text = str(pair[1])
    value = {"+Inf": math.inf, "-Inf": -math.inf, "NaN": math.nan}.get(text)
    return Point(at_s=float(pair[0]), value=float(text) if value is None else value)
