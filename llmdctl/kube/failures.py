"""HTTP answers -> our errors. Pure.

Only the fields of a Status document are passed on: other bodies may hold secrets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.errors import (
    ClusterError,
    ConflictError,
    ForbiddenError,
    Problem,
    UnauthenticatedError,
)

_LONGEST: Final = 1000  # characters of the server's message that are passed on
_RBAC: Final = re.compile(r"^secrets (?:\"[^\"]*\" )?is forbidden: User \"[^\"]*\" cannot \w+ resource")
"""What the authorizer says of a Secret it guards: names alone, never content."""


def translate(status: int, body: bytes, *, what: str) -> ClusterError:
    """The error for an answer that is no success; `what` says what was asked, such as `get Deployment/a`."""
    answer = _status(body)
    said = _message(answer) or f"HTTP {status}"
    if status == 401:
        return UnauthenticatedError(
            f"the cluster does not accept the credentials ({said})",
            remedy="They are missing, wrong or expired: log in again, or choose another --context.",
        )
    if status == 403:
        return ForbiddenError(f"{what}: {said}", remedy=_right_or_policy(said))
    if status == 409:
        return _conflict(answer, said, what)
    if _is_unknown_field(said):
        return ClusterError(f"{what}: the cluster refuses a field: {said}", problems=tuple(_causes(answer)))
    return ClusterError(f"{what}: {said}", problems=tuple(_causes(answer)))


def explained(body: bytes) -> tuple[str, tuple[Mapping[str, str], ...]]:
    """The server's own words and causes (field, message, reason) of an answer that is no success; none of a Secret."""
    answer = _status(body)
    causes = () if _is_secret(answer) else _cause_list(answer)
    return _message(answer), tuple(
        {key: str(cause.get(key, ""))[:_LONGEST] for key in ("field", "message", "reason")} for cause in causes
    )


def lacks_right(said: str) -> bool:
    """Whether a 403 is of the authorizer; else it is of an admission plugin or a quota."""
    return " cannot " in said  # RBAC says `User "x" cannot create resource ...`


def _right_or_policy(said: str) -> str:
    if lacks_right(said):
        return "Ask an administrator for this right; --namespace-only needs none outside the namespace."
    return "A policy or quota of the cluster forbids it: its words say which."


def _conflict(answer: Mapping[str, Any], said: str, what: str) -> ConflictError:
    causes = [
        cause for cause in _cause_list(answer) if cause.get("reason") == "FieldManagerConflict" and cause.get("field")
    ]
    if not causes:
        return ConflictError(f"{what}: {said}", remedy="Run the command again.")
    managers = sorted({str(cause.get("message", "")).partition('"')[2].partition('"')[0] for cause in causes})
    fields = ", ".join(str(cause["field"]) for cause in causes)
    return ConflictError(
        f"{what}: another field manager, {' and '.join(repr(name) for name in managers)}, owns {fields}",
        remedy="Leave these fields to it, or take them over with --force-conflicts.",
    )


def _is_unknown_field(said: str) -> bool:
    """An unknown field is HTTP 500 `failed to create typed patch object` under server-side apply, 400 elsewhere."""
    return "failed to create typed patch object" in said or "strict decoding error" in said


def _causes(answer: Mapping[str, Any]) -> Iterator[Problem]:
    if _is_secret(answer):
        return
    for cause in _cause_list(answer):
        yield Problem(message=str(cause.get("message", ""))[:_LONGEST], path=cause.get("field"))


def _cause_list(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    details = answer.get("details")
    causes = details.get("causes") if isinstance(details, Mapping) else None
    return [cause for cause in causes or () if isinstance(cause, Mapping)]


def _message(answer: Mapping[str, Any]) -> str:
    message = str(answer.get("message", ""))
    if _is_secret(answer) and not _RBAC.search(message):
        return str(answer.get("reason", ""))
    return message if len(message) <= _LONGEST else f"{message[:_LONGEST]}…"


def _is_secret(answer: Mapping[str, Any]) -> bool:
    details = answer.get("details")
    return isinstance(details, Mapping) and str(details.get("kind", "")).lower() in {"secret", "secrets"}


def _status(body: bytes) -> Mapping[str, Any]:
    try:
        read = json.loads(body)
    except ValueError:
        return {}
    return read if isinstance(read, dict) and read.get("kind") == "Status" else {}
