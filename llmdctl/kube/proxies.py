"""Which proxy stands before a server, by the environment's variables as kubectl and helm read them.

The rules are those of Go's net/http (golang.org/x/net 0.61, http/httpproxy): HTTPS_PROXY or HTTP_PROXY by the scheme;
never for this machine itself; NO_PROXY has names (with all below them; with a dot before, only those), addresses,
either of them with a port or without, networks, or `*`.
"""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies


def proxy_of_environment(server: str) -> str | None:
    """The URL of the proxy for a server; None: it is asked directly."""
    proxies = getproxies()
    parts = urlsplit(server)
    found = proxies.get(parts.scheme)
    if not found or parts.hostname is None:
        return None
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if _is_direct(parts.hostname.lower(), str(port), proxies.get("no", "").lower()):
        return None
    return found if "://" in found else f"http://{found}"


def _is_direct(host: str, port: str, exceptions: str) -> bool:
    from ipaddress import ip_address

    try:
        address = ip_address(host)
    except ValueError:
        entries = [entry.strip() for entry in exceptions.split(",")]
        return host == "localhost" or "*" in entries or any(_names(entry, host, port) for entry in entries if entry)
    entries = [entry.strip() for entry in exceptions.split(",")]
    return address.is_loopback or "*" in entries or any(_holds(entry, host, port) for entry in entries if entry)


def _names(entry: str, host: str, port: str) -> bool:
    name, _, wanted = entry.partition(":")
    if wanted not in {"", port} or not name.removeprefix("*"):
        return False
    name = name.removeprefix("*")
    return host.endswith(name if name.startswith(".") else f".{name}") or host == name


def _holds(entry: str, host: str, port: str) -> bool:
    """Whether an entry is the address, with its port or without one, or a network that has it in it."""
    from ipaddress import ip_address, ip_network

    address = ip_address(host)
    of_port = entry.removesuffix(f":{port}").removeprefix("[").removesuffix("]")
    for text in (entry, of_port):
        try:
            if address in ip_network(text, strict=False):
                return True
        except ValueError:
            continue
    return False
