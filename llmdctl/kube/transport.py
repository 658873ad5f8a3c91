"""Requests to the API server: authenticated, bounded in time, retried where that is safe, errors translated."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from llmdctl.errors import ClusterError, TimedOutError, UnreachableError
from llmdctl.kube.dialing import dial
from llmdctl.kube.failures import translate

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

_TRIES: Final = 3
_RETRIED: Final = frozenset({429, 502, 503, 504})  # too many requests, or the server or what is before it restarts
_BACKOFF_S: Final = 0.3  # doubled each time; a Retry-After of the server wins, up to the limit
_RETRY_AFTER_LIMIT_S: Final = 5.0
_CONNECT_LIMIT_S: Final = 5.0
_TIMED_OUT: Final = "it timed out"

JSON_TYPE: Final = "application/json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the server said."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def good(self) -> bool:
        """Whether the status says success."""
        return 200 <= self.status < 300

    def checked(self, *, what: str) -> Answer:
        """This answer. Raises the error for a status that says no success."""
        if not self.good:
            raise translate(self.status, self.body, what=what)
        return self

    def document(self, *, what: str) -> dict[str, Any]:
        """The JSON object in it. Raises ClusterError for anything else, as a captive portal would give."""
        try:
            read = json.loads(self.body)
        except ValueError as cause:
            raise ClusterError(f"{what}: the answer is no JSON; is this address a Kubernetes API server?") from cause
        if not isinstance(read, dict):
            raise ClusterError(f"{what}: the answer is no JSON object; is this address a Kubernetes API server?")
        return read


class Transport:
    """One API server over one connection pool."""

    def __init__(
        self, client: ApiClient, *, request_timeout_s: float, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._timeout_s = (min(_CONNECT_LIMIT_S, request_timeout_s), request_timeout_s)
        self._sleep = sleep
        self._encoding = {} if is_near(self.server) else {"Accept-Encoding": "gzip"}

    @property
    def server(self) -> str:
        """The address."""
        return str(self._client.configuration.host)

    def request(
        self,
        method: str,
        path: str,
        *,
        what: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        accept: str = JSON_TYPE,
        content_type: str = JSON_TYPE,
        missing: frozenset[int] = frozenset(),
    ) -> Answer | None:
        """The answer, or None for a status in `missing`. `what` begins the message of any error."""
        answer = self.exchange(method, path, query=query, body=body, accept=accept, content_type=content_type)
        return None if answer.status in missing else answer.checked(what=what)

    def exchange(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        accept: str = JSON_TYPE,
        content_type: str = JSON_TYPE,
    ) -> Answer:
        """The answer, whatever its status, once repeating the request helps no more."""
        attempt = 0
        while True:
            attempt += 1
            answer = self._once(method, path, query=query, body=body, accept=accept, content_type=content_type)
            if answer.status not in _RETRIED or method == "POST" or attempt == _TRIES:
                return answer
            self._sleep(_pause_s(answer.headers, attempt))

    def dial(self, namespace: str, pod: str, port: int, *, what: str, timeout_s: float) -> Any:  # noqa: ANN401  untyped library
        """A WebSocket to a port of a pod; see `dialing.dial`."""
        return dial(self._client, namespace, pod, port, what=what, timeout_s=timeout_s)

    def _once(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        accept: str,
        content_type: str,
    ) -> Answer:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        request = self._client.param_serialize(
            method,
            f"{path}?{urlencode(query)}" if query else path,
            header_params={"Accept": accept, "Content-Type": content_type, **self._encoding},
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            response = self._client.call_api(*request, _request_timeout=self._timeout_s)
            read: bytes | None = response.read()  # type: ignore[no-untyped-call]  # inside, since the body comes only now
        except (HTTPError, OSError) as cause:
            reason = _reason(cause)
            raise (TimedOutError if reason == _TIMED_OUT else UnreachableError)(
                f"no answer from {self.server}: {reason}",
                remedy="Check the kubeconfig, --context and the network.",
            ) from cause
        except ApiException as cause:  # status 0: TLS
            raise UnreachableError(
                f"no trusted connection to {self.server}: {cause.reason}",
                remedy="The kubeconfig's certificate authority does not fit this server, or a proxy is between.",
            ) from cause
        return Answer(status=response.status, body=read or b"", headers=dict(response.headers))


def is_near(server: str) -> bool:
    """Whether a server is on this machine: then packing a long list costs more than sending it."""
    host = urlsplit(server).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _pause_s(headers: Mapping[str, str], attempt: int) -> float:
    try:
        asked_s = float(headers.get("Retry-After", ""))
    except ValueError:
        return _BACKOFF_S * float(2 ** (attempt - 1))
    return min(max(asked_s, 0.0), _RETRY_AFTER_LIMIT_S)


def _reason(error: BaseException) -> str:
    """The innermost cause in words, without object addresses."""
    from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError
    from urllib3.exceptions import TimeoutError as Timeout

    if isinstance(error, MaxRetryError) and error.reason is not None:
        return _reason(error.reason)
    if isinstance(error, NameResolutionError):
        return "its name cannot be resolved"
    if isinstance(error, Timeout) and not isinstance(error, NewConnectionError):  # a subclass, for history's sake
        return _TIMED_OUT
    text = str(error)
    return text.rsplit(": ", 1)[-1] if ": " in text else text or type(error).__name__
