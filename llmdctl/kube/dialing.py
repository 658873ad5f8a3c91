"""Opening pods/portforward on an API server: a WebSocket with the kubeconfig's credentials, refusals in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote, urlsplit

from llmdctl.errors import ClusterError, ForbiddenError, NoKubeletError, PodGoneError, UnreachableError
from llmdctl.kube.failures import explained, lacks_right, translate

if TYPE_CHECKING:
    from llmdctl.kube.access import Access

_SUBPROTOCOL: Final = "v4.channel.k8s.io"
"""The one of binary frames that every kubelet knows; it is refused by none that serves WebSockets at all."""
_NOT_RUNNING: Final = ("not running", "does not have a host assigned", "container not found", "pod not found")
_NO_KUBELET: Final = (
    "dialing backend", "dial tcp", "no agent available", "i/o timeout", "no port forward", "no preferred addresses",
)  # fmt: skip
_PORTS: Final = {"http": 80, "https": 443}  # of a proxy whose URL has none
NODE_REMEDY: Final = (
    "Requests to pods need a node with a kubelet that the API server reaches; simulated nodes have none. Look at the"
    " node with: kubectl describe node"
)


def dial(access: Access, namespace: str, pod: str, port: int, *, what: str, timeout_s: float) -> Any:  # noqa: ANN401  untyped library
    """An open WebSocket. Raises the errors of `PodHttp` that come before a pod is reached."""
    import websocket

    path = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/portforward?ports={port}"
    url = f"{access.server.replace('http', 'ws', 1)}{path}"
    opened = websocket.WebSocket(sslopt=_tls(access), skip_utf8_validation=True, enable_multithread=False)
    try:
        opened.connect(url, **_options(access, timeout_s))  # type: ignore[no-untyped-call]
    except websocket.WebSocketBadStatusException as refusal:
        raise _refused(refusal.status_code, refusal.resp_body or b"", what=what, pod=pod) from refusal
    except websocket.WebSocketTimeoutException as cause:
        raise NoKubeletError(
            f"{what}: the API server forwarded nothing within {timeout_s:.0f} s", remedy=NODE_REMEDY
        ) from cause
    except (websocket.WebSocketException, OSError) as cause:
        raise UnreachableError(f"{what}: no connection to {access.server}: {cause}") from cause
    return opened


def _tls(access: Access) -> dict[str, Any]:
    options: dict[str, Any] = {} if access.tls is None else {"context": access.tls}
    return options | ({"server_hostname": access.tls_server_name} if access.tls_server_name else {})


def _options(access: Access, timeout_s: float) -> dict[str, Any]:
    sent = [f"sec-websocket-protocol: {_SUBPROTOCOL}"]
    sent += [f"{name}: {value}" for name, value in access.headers()]
    options: dict[str, Any] = {"header": sent, "timeout": timeout_s}
    proxy = urlsplit(access.proxy or "")
    if proxy.hostname is None:  # the environment has been asked already, and is only left alone where a proxy is named
        return options | {"http_proxy_host": "nobody", "http_no_proxy": ["*"]}
    options |= {"http_proxy_host": proxy.hostname, "http_proxy_port": proxy.port or _PORTS[proxy.scheme]}
    options |= {"http_no_proxy": [""], "proxy_type": "http"}
    if proxy.username:
        options["http_proxy_auth"] = (unquote(proxy.username), unquote(proxy.password or ""))
    return options


def _refused(status: int, body: bytes, *, what: str, pod: str) -> ClusterError:
    said, _ = explained(body)
    said = said or body.decode("utf-8", errors="replace").strip()[:300]
    if status == 403 and lacks_right(said):
        return ForbiddenError(
            f"{what}: {said}", remedy="Ask an administrator for the verbs get and create on pods/portforward."
        )
    if status == 404 or any(words in said.lower() for words in _NOT_RUNNING):
        return PodGoneError(f"{what}: {said or f'there is no pod {pod}'}")
    if status >= 500 and any(words in said.lower() for words in _NO_KUBELET):
        return NoKubeletError(f"{what}: its node forwards nothing: {said}", remedy=NODE_REMEDY)
    return translate(status, body, what=what)
