"""Requests to the API server: authenticated, bounded in time, retried where that is safe, errors translated."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ssl import CERT_NONE
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlencode, urlsplit

from llmdctl import __version__
from llmdctl.errors import ClusterError, TimedOutError, UnreachableError
from llmdctl.kube.dialing import dial
from llmdctl.kube.failures import translate

if TYPE_CHECKING:
    from urllib3 import PoolManager

    from llmdctl.kube.access import Access

_TRIES: Final = 3
_RETRIED: Final = frozenset({429, 502, 503, 504})  # too many requests, or the server or what is before it restarts
_BACKOFF_S: Final = 0.3  # doubled each time; a Retry-After of the server wins, up to the limit
_RETRY_AFTER_LIMIT_S: Final = 5.0
_CONNECT_LIMIT_S: Final = 5.0
_CONNECTIONS: Final = 16  # kept open at once; more threads than ask at once
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
        self, access: Access, *, request_timeout_s: float, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        from urllib3.util import Timeout

        self._access = access
        self._pool = _pool(access)
        self._timeout = Timeout(connect=min(_CONNECT_LIMIT_S, request_timeout_s), read=request_timeout_s)
        self._sleep = sleep
        encoding = {} if is_near(access.server) else {"Accept-Encoding": "gzip"}
        self._headers = {"User-Agent": f"llmdctl/{__version__}", **encoding}

    @property
    def server(self) -> str:
        """The address."""
        return self._access.server

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
        return dial(self._access, namespace, pod, port, what=what, timeout_s=timeout_s)

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
        from urllib3 import HTTPHeaderDict
        from urllib3.exceptions import HTTPError, SSLError

        url = f"{self.server}{path}?{urlencode(query)}" if query else f"{self.server}{path}"
        headers = HTTPHeaderDict({**self._headers, "Accept": accept, "Content-Type": content_type})
        for name, value in self._access.headers():
            headers.add(name, value)
        try:
            response = self._pool.request(
                method, url, body=None if body is None else json.dumps(body), headers=headers,
                timeout=self._timeout, retries=False, redirect=False,  # what is safe to repeat is known here
            )  # fmt: skip
        except SSLError as cause:
            raise UnreachableError(
                f"no trusted connection to {self.server}: {cause}",
                remedy="The kubeconfig's certificate authority does not fit this server, or a proxy is between.",
            ) from cause
        except (HTTPError, OSError) as cause:
            reason = _reason(cause)
            raise (TimedOutError if reason == _TIMED_OUT else UnreachableError)(
                f"no answer from {self.server}: {reason}",
                remedy="Check the kubeconfig, --context and the network.",
            ) from cause
        return Answer(status=response.status, body=response.data, headers=dict(response.headers))


def _pool(access: Access) -> PoolManager:
    """Connections that are kept; one TLS context serves them all, since making one takes longer than a request."""
    from urllib3 import PoolManager, ProxyManager, disable_warnings, make_headers
    from urllib3.exceptions import InsecureRequestWarning

    if access.tls is not None and access.tls.verify_mode is CERT_NONE:
        disable_warnings(InsecureRequestWarning)  # preflight says so, in words (`Connection.insecure_tls`)
    settings: dict[str, Any] = {"ssl_context": access.tls} if access.tls is not None else {}
    settings |= {"maxsize": _CONNECTIONS, "retries": False}
    if access.tls_server_name:
        settings["server_hostname"] = access.tls_server_name
    if access.proxy is None:
        return PoolManager(**settings)
    named = urlsplit(access.proxy)
    if named.username:
        pair = f"{unquote(named.username)}:{unquote(named.password or '')}"
        settings["proxy_headers"] = make_headers(proxy_basic_auth=pair)
    return ProxyManager(access.proxy, **settings)


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
