"""What leaves the cluster in a support bundle: everything that looks like a credential is masked. Pure.

It masks more than `release.redaction` does for a terminal: a bundle is handed to others, and a value that was masked in
vain costs less than one that was not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from llmdctl.release.redaction import MASK, redact_object, redact_text

_TOKENS: Final = re.compile(
    r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{12,}"  # OpenAI and those who took over its form
    r"|\bhf_[A-Za-z0-9]{8,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{16,}|\bgithub_pat_\w{16,}"
    r"|\bglpat-[\w-]{16,}"
    r"|\bnvapi-[\w-]{16,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bxox[abprs]-[\w-]{10,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
)
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic)(\s+)[^\s\"',;]+")
_NAME: Final = (
    r"[\w.-]*(?:api[-_]?key|access[-_]?key|secret[-_]?key|private[-_]?key|token|password|passwd|secret|credentials?)"
)
_PAIR: Final = re.compile(rf"(?i)(\b|--)({_NAME})(\"?'?\s*[=:]\s*\"?'?)(?!\s|\"|'|\{{|\[|\*\*\*)([^\s\"',;}}]+)")
_OPTION: Final = re.compile(rf"(?i)^--?{_NAME}$")
_ENV: Final = re.compile(rf"(?i)^{_NAME}$|authorization|cookie")
_HARMLESS: Final = re.compile(r"(?i)true|false|none|null|\d{1,7}(?:\.\d+)?|/[\w./-]+")  # a path is where a secret is
_DROPPED: Final = frozenset({"managedFields"})
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


def masked_text(text: str) -> str:
    """A text without anything that looks like a credential, by form or by the name before it."""
    text = _TOKENS.sub(MASK, redact_text(text))
    text = _BEARER.sub(rf"\1\2{MASK}", text)
    return _PAIR.sub(_pair, text)


def _pair(found: re.Match[str]) -> str:
    before, name, between, value = found.groups()
    return f"{before}{name}{between}{value if _HARMLESS.fullmatch(value) else MASK}"


def masked_object(obj: Mapping[str, Any]) -> dict[str, Any]:
    """An object without secrets in env, arguments, annotations, data and status. A Secret keeps its name only."""
    if obj.get("kind") == "Secret":
        metadata = obj.get("metadata") or {}
        kept = {key: metadata.get(key) for key in ("namespace", "name")}
        return {"apiVersion": obj.get("apiVersion"), "kind": "Secret", "metadata": kept}
    return {key: _masked(value) for key, value in redact_object(obj).items()}


def _masked(value: object) -> object:
    if isinstance(value, Mapping):
        if isinstance(value.get("value"), str) and _ENV.search(str(value.get("name", ""))):
            return {**value, "value": value["value"] if _HARMLESS.fullmatch(value["value"]) else MASK}
        return {key: _entry(str(key), inner) for key, inner in value.items() if key not in _DROPPED}
    if isinstance(value, (list, tuple)):
        return _row(value)
    return masked_text(value) if isinstance(value, str) else value


def _entry(key: str, value: object) -> object:
    if key == _LAST_APPLIED:
        return MASK
    named = isinstance(value, str) and _OPTION.fullmatch(f"--{key}") and "\n" not in value
    return MASK if named and not _HARMLESS.fullmatch(str(value)) and key != "secret" else _masked(value)


def _row(value: Sequence[object]) -> list[object]:
    """Arguments also as `--api-key`, `VALUE`."""
    made: list[object] = []
    for index, entry in enumerate(value):
        before = value[index - 1] if index else None
        follows = isinstance(before, str) and _OPTION.fullmatch(before) and isinstance(entry, str)
        made.append(MASK if follows and not str(entry).startswith("-") else _masked(entry))
    return made
