"""How a cluster is reached: its address, TLS, the proxy between, and what is shown to it as credentials.

Read from a kubeconfig by `credentials`; HTTP (`transport`) and WebSockets (`dialing`) both go by it.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Callable, Iterable
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


class SharedContext(ssl.SSLContext):
    """TLS settings that many threads open connections with at once.

    urllib3 states ALPN anew for each connection (urllib3 2.x, util/ssl_.py, ssl_wrap_socket). OpenSSL then frees what
    another thread copies into its own handshake at that moment (SSL_CTX_set_alpn_protos is not for a context in use),
    and the server ends that connection with the alert `decode error`.
    """

    stated: tuple[str, ...] = ()

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """State the protocols, unless they are stated already."""
        wanted = tuple(alpn_protocols)
        if wanted != self.stated:
            super().set_alpn_protocols(wanted)
            self.stated = wanted


def tls_context(*, authority: Pem, certificate: Pem, key: Pem, insecure: bool = False) -> ssl.SSLContext:
    """TLS as client-go sets it up: the cluster's own authority, else the machine's; a client certificate if there is.

    Raises OSError (ssl.SSLError is one) for what cannot be read or is no certificate or key.
    """
    from urllib3.util.ssl_ import ALPN_PROTOCOLS

    context = SharedContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificates and names
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # nor does client-go
    context.set_alpn_protocols(ALPN_PROTOCOLS)  # before there is a second thread
    if insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
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
