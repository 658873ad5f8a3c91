"""Opening pods/portforward on an API server: a WebSocket with the kubeconfig's credentials, refusals in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from llmdctl.errors import ClusterError, ForbiddenError, NoKubeletError, PodGoneError, UnreachableError
from llmdctl.kube.failures import explained, lacks_right, translate

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

_SUBPROTOCOL: Final = "v4.channel.k8s.io"
"""The one of binary frames that every kubelet knows; it is refused by none that serves WebSockets at all."""
_NOT_RUNNING: Final = ("not running", "does not have a host assigned", "container not found", "pod not found")
_NO_KUBELET: Final = (
    "dialing backend", "dial tcp", "no agent available", "i/o timeout", "no port forward", "no preferred addresses",
)  # fmt: skip
NODE_REMEDY: Final = (
    "Requests to pods need a node with a kubelet that the API server reaches; simulated nodes have none. Look at the"
    " node with: kubectl describe node"
)


def dial(client: ApiClient, namespace: str, pod: str, port: int, *, what: str, timeout_s: float) -> Any:  # noqa: ANN401  untyped library
    """An open WebSocket. Raises the errors of `PodHttp` that come before a pod is reached."""
    import websocket

    path = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/portforward?ports={port}"
    _, url, headers, *_ = client.param_serialize("GET", path, header_params={}, auth_settings=["BearerToken"])
    opened = websocket.WebSocket(sslopt=_tls(client), skip_utf8_validation=True, enable_multithread=False)
    try:
        opened.connect(url.replace("http", "ws", 1), **_options(client, headers, timeout_s))  # type: ignore[no-untyped-call]
    except websocket.WebSocketBadStatusException as refusal:
        raise _refused(refusal.status_code, refusal.resp_body or b"", what=what, pod=pod) from refusal
    except websocket.WebSocketTimeoutException as cause:
        raise NoKubeletError(
            f"{what}: the API server forwarded nothing within {timeout_s:.0f} s", remedy=NODE_REMEDY
        ) from cause
    except (websocket.WebSocketException, OSError) as cause:
        raise UnreachableError(f"{what}: no connection to {client.configuration.host}: {cause}") from cause
    return opened


def _tls(client: ApiClient) -> dict[str, Any]:
    import ssl

    import certifi

    settings = client.configuration
    options: dict[str, Any] = {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}
    if settings.verify_ssl:
        options = {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": settings.ssl_ca_cert or certifi.where()}
        if settings.assert_hostname is not None:
            options["check_hostname"] = settings.assert_hostname
    named = {"certfile": settings.cert_file, "keyfile": settings.key_file, "server_hostname": settings.tls_server_name}
    return options | {key: value for key, value in named.items() if value}


def _options(client: ApiClient, headers: dict[str, str], timeout_s: float) -> dict[str, Any]:
    from kubernetes.stream.ws_client import websocket_proxycare

    sent = [f"sec-websocket-protocol: {_SUBPROTOCOL}"]
    sent += [f"{name}: {value}" for name, value in headers.items() if name.lower() == "authorization"]
    options: dict[str, Any] = {"header": sent, "timeout": timeout_s}
    settings = client.configuration
    if settings.proxy or settings.proxy_headers:
        options = websocket_proxycare(options, settings, None, headers)  # type: ignore[no-untyped-call]
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
