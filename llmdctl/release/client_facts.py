"""What preflight may know of this machine: programs, credentials' ends, proxies. Never a credential."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from llmdctl import programs
from llmdctl.errors import ProgramError
from llmdctl.kube import Connection
from llmdctl.model.inventory import Section, Seen

_PROXIES: Final = ("https_proxy", "http_proxy", "no_proxy")


def client_facts(connection: Connection, *, is_terminal: bool) -> Section:
    """The section `client` for a cluster that is reached by `connection`; is_terminal: a person is watching."""
    started_s = time.monotonic()
    kubectl = programs.version_on_path("kubectl", "version", "--client", "--output=json")
    plugin = connection.exec_command
    item = {
        "helm": _helm(),
        "kubectl": None if kubectl is None else str(kubectl),
        "execPlugin": None if plugin is None else {"command": plugin, "found": shutil.which(plugin) is not None},
        "certificateNotAfter": connection.certificate_not_after,
        "tokenNotAfter": connection.token_not_after,
        "proxies": {name: _without_password(_variable(name)) for name in _PROXIES},
        "insecureTls": connection.insecure_tls,
        "isTerminal": is_terminal,
        "ci": bool(os.environ.get("CI")),
        "serverHost": connection.server_host,
    }
    return Section(seen=Seen.OK, items=(item,), seconds=round(time.monotonic() - started_s, 3))


def client_section(*, kubeconfig: Path | None, context: str | None, is_terminal: bool) -> tuple[str, Section]:
    """The name of the context in use, and the section `client`."""
    from llmdctl.kube import connection

    found = connection(kubeconfig=kubeconfig, context=context)
    return found.context, client_facts(found, is_terminal=is_terminal)


def _helm() -> str | None:
    """The version of helm that would be used; None where one would have to be fetched or built."""
    try:
        found = programs.locate("helm")
    except ProgramError:  # one was named, and is none
        return None
    return None if found is None else found.version


def _variable(name: str) -> str:
    return os.environ.get(name) or os.environ.get(name.upper()) or ""


def _without_password(value: str) -> str:
    parts = urlsplit(value)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else value
