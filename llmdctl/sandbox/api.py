"""A small client of the sandbox's own API server.

The official client lives behind `kube/` and takes a second to import; bringing a sandbox up needs six requests'
worth of it: read, create, patch, delete, watch, and a lot of them at once.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmdctl.errors import ClusterError, ConflictError, UnreachableError
from llmdctl.sandbox.certificates import Pair

Object = dict[str, Any]

_ANSWER_LIMIT_S = 30.0
_CONNECTIONS = 8
_AGENT = {"User-Agent": "llmdctl-sandbox"}  # the field manager of what a sandbox brings along, and no other's
MERGE = "application/merge-patch+json"


class NotFound(ClusterError):
    """The API server has no such object."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resource:
    """One kind as the API addresses it."""

    path: str  # such as `api/v1` or `apis/apps/v1`
    plural: str

    def url(self, name: str | None = None, *, namespace: str | None = None, subresource: str | None = None) -> str:
        """The path of the collection, or of one object."""
        parts = [self.path]
        if namespace is not None:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part is not None]
        return "/" + "/".join(parts)


class Api:
    """Requests as one user. Safe in many threads: each has its own kept-alive connection."""

    def __init__(self, *, port: int, authority: Path, client: Pair) -> None:
        """Talk to 127.0.0.1:`port`, trusting `authority`, as `client`."""
        self._port = port
        self._tls = ssl.create_default_context(cafile=str(authority))
        self._tls.load_cert_chain(client.certificate, client.key)
        self._local = threading.local()
        self._opened: list[http.client.HTTPSConnection] = []

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._opened:
            connection.close()

    def request(
        self,
        method: str,
        url: str,
        body: Object | None = None,
        *,
        content: str = "application/json",
        accept: str = "application/json",
    ) -> Object:
        """One request, its JSON answer. Raises NotFound, ConflictError, UnreachableError, ClusterError."""
        status, data = self._exchange(method, url, body, {"Content-Type": content, "Accept": accept, **_AGENT})
        if status >= http.client.BAD_REQUEST:
            raise _error(method, url, status, data)
        try:
            answer: Object = json.loads(data)
        except ValueError:
            return {"text": data.decode(errors="replace")}
        return answer

    def get(self, url: str) -> Object:
        """Read one object or list."""
        return self.request("GET", url)

    def items(self, url: str) -> list[Object]:
        """The items of a list."""
        found: list[Object] = self.get(url).get("items", [])
        return found

    def create(self, url: str, item: Object) -> None:
        """Create, or leave as it is when it is there already."""
        try:
            self.request("POST", url, item)
        except ConflictError:
            return

    def create_all(self, wanted: Iterable[tuple[str, Object]]) -> None:
        """Create many objects, some at once. Raises the first error after all were tried."""
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            for result in [pool.submit(self.create, url, item) for url, item in wanted]:
                result.result()

    def merge(self, url: str, patch: Object) -> Object:
        """A JSON merge patch."""
        return self.request("PATCH", url, patch, content=MERGE)

    def delete(self, url: str) -> None:
        """Delete; absent is fine."""
        try:
            self.request("DELETE", url)
        except NotFound:
            return

    def ready(self) -> bool:
        """Whether the API server answers and calls itself ready."""
        try:
            status, _ = self._exchange("GET", "/readyz", None, {})
        except UnreachableError:
            return False
        return status == http.client.OK

    def watch(self, url: str, version: str, *, limit_s: int) -> Iterator[Object]:
        """Events of a collection after a resource version, until the server ends the watch at `limit_s`."""
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self._port, context=self._tls, timeout=limit_s + _ANSWER_LIMIT_S
        )
        query = f"watch=true&resourceVersion={version}&timeoutSeconds={limit_s}&allowWatchBookmarks=true"
        try:
            connection.request("GET", f"{url}?{query}", headers={"Accept": "application/json"})
            answer = connection.getresponse()
            if answer.status != http.client.OK:
                raise _error("GET", url, answer.status, answer.read())
            for line in answer:
                yield json.loads(line)
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(f"the sandbox's API server ended a watch: {error}") from error
        finally:
            connection.close()

    def _exchange(self, method: str, url: str, body: Object | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        data = None if body is None else json.dumps(body).encode()
        for fresh in (False, True):  # a kept connection may have been closed by the server meanwhile
            connection = self._connection(fresh=fresh)
            try:
                connection.request(method, url, body=data, headers=dict(headers))
                answer = connection.getresponse()
                return answer.status, answer.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if fresh:
                    raise UnreachableError(f"the sandbox's API server does not answer: {error}") from error
        raise AssertionError("unreachable")

    def _connection(self, *, fresh: bool) -> http.client.HTTPSConnection:
        kept: http.client.HTTPSConnection | None = getattr(self._local, "connection", None)
        if kept is None or fresh:
            kept = http.client.HTTPSConnection("127.0.0.1", self._port, context=self._tls, timeout=_ANSWER_LIMIT_S)
            self._local.connection = kept
            self._opened.append(kept)  # list.append is atomic
        return kept


def _error(method: str, url: str, status: int, data: bytes) -> ClusterError:
    try:
        said = json.loads(data).get("message", "")
    except (ValueError, AttributeError):
        said = data.decode(errors="replace").strip()
    message = f"{method} {url.partition('?')[0]}: {said or 'no explanation'} (HTTP {status})"
    if status == http.client.NOT_FOUND:
        return NotFound(message)
    return ConflictError(message) if status == http.client.CONFLICT else ClusterError(message)
