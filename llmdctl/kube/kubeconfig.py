"""What a kubeconfig says of the connection that it makes: facts to judge, never a credential."""

from __future__ import annotations

import base64
import binascii
import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from llmdctl.errors import UnreachableError
from llmdctl.kube.merged import Entry, kubeconfig_files, merged

_NOTHING = Entry(settings={}, folder=Path())


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """How a kubeconfig leads to its server. Times are RFC 3339; None where there is no such credential."""

    context: str = ""
    server_host: str = ""  # host:port
    exec_command: str | None = None  # the credential plugin
    certificate_not_after: str | None = None
    token_not_after: str | None = None
    insecure_tls: bool = False


def connection(*, kubeconfig: Path | None = None, context: str | None = None) -> Connection:
    """Of the kubeconfig that `connect` would take; empty where it takes none or cannot read it."""
    try:
        found = merged([kubeconfig] if kubeconfig is not None else kubeconfig_files())
    except UnreachableError:
        return Connection()
    name = context or found.current
    chosen = found.contexts.get(name, _NOTHING).settings
    cluster = found.clusters.get(str(chosen.get("cluster")), _NOTHING).settings
    named = found.users.get(str(chosen.get("user")), _NOTHING)
    user, folder = named.settings, named.folder
    plugin = user.get("exec")
    return Connection(
        context=name,
        server_host=urlsplit(str(cluster.get("server", ""))).netloc.rpartition("@")[2],
        exec_command=str(plugin.get("command", "")) if isinstance(plugin, Mapping) else None,
        certificate_not_after=_certificate_end(user, folder),
        token_not_after=_token_end(user, folder),
        insecure_tls=cluster.get("insecure-skip-tls-verify") is True,
    )


def _certificate_end(user: Mapping[str, Any], folder: Path) -> str | None:
    written = _content(user, folder, "client-certificate-data", "client-certificate")
    if written is None:
        return None
    from cryptography import x509

    try:
        return _moment(x509.load_pem_x509_certificate(written).not_valid_after_utc)
    except ValueError:
        return None


def _content(user: Mapping[str, Any], folder: Path, data: str, file: str) -> bytes | None:
    try:
        if user.get(data):
            return base64.b64decode(str(user[data]))
        return (folder / str(user[file])).read_bytes() if user.get(file) else None
    except (OSError, binascii.Error):
        return None


def _token_end(user: Mapping[str, Any], folder: Path) -> str | None:
    """When a bearer token ends that is a JWT (RFC 7519, `exp`); its signature is the server's business."""
    token = user.get("token")
    if not token and user.get("tokenFile"):
        found = _content(user, folder, "", "tokenFile")
        token = found.decode(errors="replace").strip() if found else None
    parts = str(token or "").split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return _moment(datetime.datetime.fromtimestamp(claims["exp"], datetime.UTC))
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return None


def _moment(when: datetime.datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
