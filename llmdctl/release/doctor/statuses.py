"""What an HTTP status at the entrance means, by the version of the router. Pure.

Sources: BuildErrResponse and the places that make its errors, pkg/common/error, pkg/epp/requestcontrol and
pkg/epp/scheduling of https://github.com/llm-d/llm-d-router v0.9.0 and release-0.10, and, for 0.7, of
https://github.com/kubernetes-sigs/gateway-api-inference-extension v1.5.0, which it is built on. Envoy's response flags:
https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from llmdctl.model.hop import HopName

RESET: Final = r"reset reason: connection termination"
"""In Envoy's words when a server ends a connection that a request was given to; a kept one may end at any moment."""
DROPPED: Final = "x-llm-d-request-dropped-reason"  # from 0.9 on


class Meaning(NamedTuple):
    """What a refusal means: which hop it comes from, in words, and what mends it."""

    hop: HopName
    words: str
    remedy: str


_LOOK: Final = "Look at that hop's object above; `llmdctl doctor` again shows whether it is mended."
_REASONS: Final = {
    "rejected-saturated": "the picker holds every endpoint for saturated, or the queue of this priority is full",
    "rejected-no-endpoints": "the picker has no endpoint for this request",
    "rejected-ttl-expired": "the request waited in the picker's queue for as long as its limit allows",
    "rejected-context-cancelled": "the client went away while the request was in the picker's queue",
    "rejected-shutting-down": "the picker is shutting down",
    "evicted": "the picker evicted the request for a more urgent one",
    "evicted-queue-pressure": "the picker evicted the request, since its queue is full",
    "evicted-priority": "the picker evicted the request for one of higher priority",
}
_NO_LIMIT: Final = "State `timeouts: {request: 0s}` in the rule of the route: no limit."
_MORE: Final = "Add replicas, or raise the limits of its flow control."


def explain(status: int, body: str, headers: Mapping[str, str], version: str) -> Meaning:
    """The meaning of an answer that is no success. `version` of the router, such as `0.9.0`; empty: not known."""
    lower = {name.lower(): value for name, value in headers.items()}
    reason = lower.get(DROPPED, "")
    if reason in _REASONS:
        return Meaning(HopName.EPP, f"{_REASONS[reason]} ({DROPPED}: {reason})", _remedy_of(reason))
    for pattern, meaning in _PHRASES:
        if re.search(pattern, body):
            return meaning
    minor = _minor(version)
    if body.startswith("inference error:"):
        return _by_code(status, body, minor)
    return _by_status(status, body, lower)


def _remedy_of(reason: str) -> str:
    return "See why no pod of the pool is ready." if reason == "rejected-no-endpoints" else _MORE


def _minor(version: str) -> int | None:
    found = re.match(r"0\.(\d+)", version)
    return int(found.group(1)) if found else None


def _by_code(status: int, body: str, minor: int | None) -> Meaning:
    """`inference error: CODE - MESSAGE`, which is what the picker itself says."""
    message = body.partition(" - ")[2].strip() or body
    if status == 429:
        if minor is None or minor < 8 or "find target endpoint" in message:
            words = "no endpoint fits the request, or all are saturated: 0.7 and 0.9 say 429 for both"
        else:
            words = "all endpoints are contended, or the request waited too long although there are some"
        return Meaning(HopName.EPP, f"{words} ({message})", _MORE)
    if status == 503:
        words = "the picker has no capacity for it: no endpoint, or the wait in its queue was over"
        return Meaning(HopName.ENDPOINT, f"{words} ({message})", "See why no pod of the pool is ready.")
    if status == 400:
        return Meaning(HopName.REQUEST, f"the picker does not take the request ({message})", "Send model and prompt.")
    return Meaning(HopName.EPP, f"the picker failed inside ({message})", "Look at the picker's log.")


_NO_UPSTREAM: Final = Meaning(
    HopName.ENDPOINT,
    "the proxy has no healthy endpoint to send the request to (response flag UH)",
    "See why no pod of the pool is ready; at GKE, whether a HealthCheckPolicy asks for /health.",
)
_PHRASES: Final[tuple[tuple[str, Meaning], ...]] = (
    (
        r"failed to find (endpoint candidates|candidate pods)|no pods available in datastore|screeners eliminated",
        Meaning(
            HopName.ENDPOINT,
            "the picker knows no endpoint: no pod of the pool is ready, or none declares the pool's target port",
            "See why no pod is ready, and compare targetPorts with the ports of the pods.",
        ),
    ),
    (
        r"no endpoints available for the given request",
        Meaning(
            HopName.EPP,
            "the filters of a scheduling profile left no endpoint: no pod has the role that the profile wants",
            f"Label the pods with {'llm-d.ai/role'}, or change the filters of the profile.",
        ),
    ),
    (
        r"system saturated, sheddable request dropped",
        Meaning(HopName.EPP, "the system is saturated, and requests of negative priority are dropped", _MORE),
    ),
    (r"request timed out in queue", Meaning(HopName.EPP, _REASONS["rejected-ttl-expired"], _MORE)),
    (
        r"model not found in request body",
        Meaning(HopName.REQUEST, "the request names no model", "State `model` in the body of the request."),
    ),
    (
        r"no more responses|ext_proc|ext.proc|external processing",
        Meaning(
            HopName.EPP,
            "the proxy could not talk to the endpoint picker (ext_proc)",
            "Look whether the picker is ready, whether proxy and picker both use TLS or both do not, and the port.",
        ),
    ),
    (r"no healthy upstream", _NO_UPSTREAM),
    (
        RESET,
        Meaning(
            HopName.ENGINE,
            "the server that the picker chose closed the connection before it answered (response flag UC): it ended "
            "meanwhile, or closed an idle connection that the proxy kept",
            "Look at the restarts of the pods; let the proxy drop idle connections sooner than the engine, which waits "
            "5 s (VLLM_HTTP_TIMEOUT_KEEP_ALIVE).",
        ),
    ),
    (
        r"upstream connect error|connection refused|Connection refused",
        Meaning(
            HopName.SIDECAR,
            "the proxy reached no server at the endpoint that the picker chose (response flag UF)",
            "Compare the pool's targetPorts with the port that the sidecar or the engine listens on.",
        ),
    ),
    (
        r"upstream request timeout",
        Meaning(HopName.ROUTE, "the route's time limit ended the request (response flag UT)", _NO_LIMIT),
    ),
    (
        r"(?i)the model .* does not exist|model .* not found",
        Meaning(HopName.MODEL, "no server of the pool has a model of that name", "Ask for a name of /v1/models."),
    ),
    (
        r"fault filter abort|rate.?limit",
        Meaning(HopName.LISTENER, "the gateway refused the request for a limit of its own", "Look at its policies."),
    ),
)


_STATUSES: Final = {
    404: Meaning(
        HopName.ROUTE,
        "no route takes this request (response flag NR), or no server has the model",
        "Compare the request's path, host and headers with the matches of the HTTPRoute.",
    ),
    500: Meaning(
        HopName.EPP,
        "the proxy failed before any server answered: mostly ext_proc, the talk with the endpoint picker",
        "Look at the picker's log, its TLS and its port. A picker of 0.7 is Ready up to a minute before it listens: "
        "ask again when its log says that the gRPC server listens.",
    ),
    503: _NO_UPSTREAM,
    504: Meaning(HopName.ROUTE, "a time limit on the way ended the request", _NO_LIMIT),
    401: Meaning(HopName.LISTENER, "the entrance wants credentials", "Send those that its policy asks for."),
    403: Meaning(HopName.LISTENER, "the entrance wants credentials", "Send those that its policy asks for."),
    429: Meaning(HopName.LISTENER, "a quota on the way is used up", "Look at the gateway's rate limit."),
}


def _by_status(status: int, body: str, headers: Mapping[str, str]) -> Meaning:
    """What only a proxy or an engine says."""
    flags = headers.get("x-envoy-response-flags", "")
    shown = f" with flags {flags}" if flags else ""
    other = Meaning(HopName.ENGINE, f"the answer was {status}{shown}: {body[:120].strip()}", _LOOK)
    return _STATUSES.get(status, other)
