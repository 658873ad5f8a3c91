"""What a kubeconfig says -> the way to its cluster.

Addresses, certificates, tokens and passwords are read here. Credential plugins, `auth-provider` entries and the service
account of a pod are the client library's to read: importing it takes a third of a second, which is little beside
running a plugin, and much beside all else that a command does.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from llmdctl.errors import UnreachableError
from llmdctl.kube.access import Access, Pem, anonymous, tls_context
from llmdctl.kube.merged import Entry, Kubeconfig
from llmdctl.kube.proxies import proxy_of_environment

if TYPE_CHECKING:
    from kubernetes.client import Configuration

_BY_LIBRARY: Final = ("exec", "auth-provider")
_PROXIES: Final = frozenset({"http", "https"})
_NOBODY: Final = Entry(settings={}, folder=Path())


def access(config: Kubeconfig, context: str, files: Sequence[Path]) -> Access:
    """The way to the cluster of a context that is there. Raises UnreachableError, which says what is wrong with it."""
    file = os.pathsep.join(str(path) for path in files)
    chosen = config.contexts[context].settings
    cluster = config.clusters.get(str(chosen.get("cluster", "")))
    if cluster is None or not cluster.settings.get("server"):
        raise UnreachableError(f"the kubeconfig {file} cannot be used: context '{context}' leads to no server")
    user = config.users.get(str(chosen.get("user", "")), _NOBODY)
    try:
        if any(user.settings.get(key) for key in _BY_LIBRARY):
            return _by_library(cluster, user, file, context)
        return _way(cluster, user, authorization=_authorization(user))
    except (OSError, binascii.Error, TypeError, ValueError) as cause:  # no such file, no certificate, no base64
        raise UnreachableError(f"the kubeconfig {file} cannot be used: {_words(cause)}") from cause


def of_pod() -> Access:
    """The way of the service account of the pod that this runs in. Raises UnreachableError."""
    from kubernetes import config
    from kubernetes.client import Configuration

    found = Configuration()
    try:
        config.load_incluster_config(client_configuration=found)  # type: ignore[no-untyped-call]
    except config.ConfigException as cause:
        raise UnreachableError(f"the service account of this pod cannot be used: {cause}") from cause
    authority = Pem(file=Path(str(found.ssl_ca_cert)))
    return Access(
        server=str(found.host),
        tls=tls_context(authority=authority, certificate=Pem(), key=Pem()),
        proxy=_proxy(str(found.host), None),
        authorization=_of(found),
    )


def _way(cluster: Entry, user: Entry, *, authorization: Callable[[], str | None]) -> Access:
    settings = cluster.settings
    server = str(settings["server"]).rstrip("/")
    tls = None
    if server.startswith("https"):
        tls = tls_context(
            authority=_pem(cluster, "certificate-authority"),
            certificate=_pem(user, "client-certificate"),
            key=_pem(user, "client-key"),
            insecure=settings.get("insecure-skip-tls-verify") is True,
        )
    return Access(
        server=server,
        tls=tls,
        tls_server_name=str(settings["tls-server-name"]) if settings.get("tls-server-name") else None,
        proxy=_proxy(server, settings.get("proxy-url")),
        authorization=authorization,
        impersonated=_impersonated(user),
    )


def _proxy(server: str, stated: object) -> str | None:
    """That of the kubeconfig wins over those of the environment. Raises ValueError for one that cannot be used."""
    proxy = str(stated) if stated else proxy_of_environment(server)
    if proxy is not None and urlsplit(proxy).scheme not in _PROXIES:
        raise ValueError(f"its proxy {proxy} speaks neither HTTP nor HTTPS, which alone llmdctl can use")
    return proxy


def _impersonated(user: Entry) -> tuple[tuple[str, str], ...]:
    """Headers of `as` and its kin (Kubernetes, "User impersonation"); the keys of extras are written as in a URL."""
    given: Mapping[str, Any] = user.settings
    named = [("Impersonate-User", given.get("as")), ("Impersonate-Uid", given.get("as-uid"))]
    named += [("Impersonate-Group", group) for group in given.get("as-groups") or ()]
    for key, values in (given.get("as-user-extra") or {}).items():
        named += [(f"Impersonate-Extra-{quote(key, safe='')}", value) for value in values]
    return tuple((name, str(value)) for name, value in named if value)


def _pem(entry: Entry, key: str) -> Pem:
    """What is written in place wins over a file, whose path is relative to that of the kubeconfig."""
    if written := entry.settings.get(f"{key}-data"):
        return Pem(data=base64.b64decode("".join(str(written).split()), validate=True))
    name = entry.settings.get(key)
    return Pem(file=entry.folder / str(name)) if name else Pem()


def _authorization(user: Entry) -> Callable[[], str | None]:
    """By the first that is there, in client-go's order: a file with a token, a token, a name and password."""
    given: Mapping[str, Any] = user.settings
    if name := given.get("tokenFile"):
        file = user.folder / str(name)
        file.read_bytes()  # what cannot be read is said at once
        return lambda: f"Bearer {file.read_text(encoding='utf-8').strip()}"
    if token := given.get("token"):
        return lambda: f"Bearer {token}"
    if given.get("username") and given.get("password"):
        pair = base64.b64encode(f"{given['username']}:{given['password']}".encode()).decode()
        return lambda: f"Basic {pair}"
    return anonymous


def _by_library(cluster: Entry, user: Entry, file: str, context: str) -> Access:
    from kubernetes import config
    from kubernetes.client import Configuration

    found = Configuration()
    with _said_by_plugins() as said:
        try:
            config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=file, context=context, client_configuration=found, persist_config=False
            )
        except config.ConfigException as cause:
            raise UnreachableError(f"the kubeconfig {file} cannot be used: {_words(cause)}") from cause
    if said:
        raise UnreachableError(f"the credential plugin of the kubeconfig {file} failed: {said[-1]}")
    if found.cert_file:  # of the plugin
        pair = {"client-certificate": found.cert_file, "client-key": found.key_file}
        kept = {key: value for key, value in user.settings.items() if not key.startswith("client-")}
        user = Entry(settings={**kept, **pair}, folder=Path.cwd())
    return _way(cluster, user, authorization=_of(found))


def _of(configuration: Configuration) -> Callable[[], str | None]:
    """As the library says it: it asks a plugin again when a token has ended."""

    def authorization() -> str | None:
        found = configuration.get_api_key_with_prefix("BearerToken")
        return None if found is None else str(found)

    return authorization


def _words(cause: BaseException) -> str:
    if isinstance(cause, OSError) and cause.filename:
        return f"{cause.filename}: {cause.strerror}"
    return (str(cause).splitlines() or [type(cause).__name__])[0]


@contextmanager
def _said_by_plugins() -> Iterator[list[str]]:
    """Collect what the client logs while it loads: a credential plugin that fails is logged there, not raised."""
    said: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage().strip())

    collector = Collector(level=logging.ERROR)
    root = logging.getLogger()
    root.addHandler(collector)
    try:
        yield said
    finally:
        root.removeHandler(collector)
