"""Read and write etcd's keys, by the JSON gateway that etcd itself serves beside gRPC."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from llmdctl.errors import ClusterError
from llmdctl.sandbox.certificates import Pair

_ANSWER_LIMIT_S = 30.0


class Etcd:
    """One connection to 127.0.0.1:`port`. A context manager; for one thread at a time."""

    def __init__(self, *, port: int, authority: Path, client: Pair) -> None:
        """Trust `authority`, and be `client`."""
        tls = ssl.create_default_context(cafile=str(authority))
        tls.load_cert_chain(client.certificate, client.key)
        self._connection = http.client.HTTPSConnection("127.0.0.1", port, context=tls, timeout=_ANSWER_LIMIT_S)

    def __enter__(self) -> Etcd:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def below(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """Every key that begins with `prefix`, with its value, in order. Raises ClusterError."""
        start = prefix.encode()
        end = start[:-1] + bytes([start[-1] + 1])  # the first key that is none of them
        answer = self._ask("/v3/kv/range", {"key": _packed(start), "range_end": _packed(end)})
        for entry in answer.get("kvs", []):
            yield base64.b64decode(entry["key"]).decode(), base64.b64decode(entry["value"])

    def put(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Write each value under its key. Raises ClusterError."""
        for key, value in entries:
            self._ask("/v3/kv/put", {"key": _packed(key.encode()), "value": _packed(value)})

    def _ask(self, path: str, question: dict[str, str]) -> dict[str, Any]:
        try:
            self._connection.request("POST", path, body=json.dumps(question))
            answer = self._connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise ClusterError(f"the sandbox's etcd does not answer: {error}") from error
        if answer.status != http.client.OK:
            raise ClusterError(f"etcd: {data.decode(errors='replace').strip()} (HTTP {answer.status})")
        found: dict[str, Any] = json.loads(data)
        return found


def _packed(data: bytes) -> str:
    return base64.b64encode(data).decode()
