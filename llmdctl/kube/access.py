"""How a cluster is reached: its address, TLS, the proxy between, and what is shown to it as credentials.

Read from a kubeconfig by `credentials`; HTTP (`transport`) and WebSockets (`dialing`) both go by it.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


def anonymous() -> str | None:
    """The `authorization` of one who shows no token, as with a client certificate."""
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """The way to one API server."""

    server: str  # `https://host:port`, without a slash at its end
    tls: ssl.SSLContext | None = None  # None: plain HTTP
    tls_server_name: str | None = None  # the name to ask for and to check, when it is not that of the address
    proxy: str | None = None  # URL
    authorization: Callable[[], str | None] = anonymous  # the header's value, asked for each request: tokens change
    impersonated: tuple[tuple[str, str], ...] = ()  # headers that name somebody else to act for

    def headers(self) -> list[tuple[str, str]]:
        """Who asks, as headers; one name may come several times."""
        shown = self.authorization()
        return [*([("authorization", shown)] if shown else []), *self.impersonated]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pem:
    """PEM as a kubeconfig gives it: in place, or in a file. Neither: there is none."""

    data: bytes = b""
    file: Path | None = None

    def __bool__(self) -> bool:
        return bool(self.data) or self.file is not None

    def read(self) -> bytes:
        """The text. Raises OSError."""
        return self.data if self.data or self.file is None else self.file.read_bytes()


def tls_context(*, authority: Pem, certificate: Pem, key: Pem, insecure: bool = False) -> ssl.SSLContext:
    """TLS as client-go sets it up: the cluster's own authority, else the machine's; a client certificate if there is.

    Raises OSError (ssl.SSLError is one) for what cannot be read or is no certificate or key.
    """
    from urllib3.util.ssl_ import create_urllib3_context

    context = create_urllib3_context(cert_reqs=ssl.CERT_NONE if insecure else ssl.CERT_REQUIRED)
    if authority and not insecure:
        context.load_verify_locations(cadata=authority.read().decode("ascii", errors="replace"))
    elif not insecure:
        context.load_default_certs()
    if certificate:
        _load_pair(context, certificate, key)
    return context


def _load_pair(context: ssl.SSLContext, certificate: Pem, key: Pem) -> None:
    """OpenSSL takes a certificate and its key from files alone: one that is there for as long as that takes."""
    handle, name = tempfile.mkstemp(prefix="llmdctl-")  # readable for this user alone
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(certificate.read() + b"\n" + key.read())
        context.load_cert_chain(name)
    finally:
        with suppress(OSError):
            Path(name).unlink()
