"""Keeping secrets out of what is shown: in log lines and in differences. Pure."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import Any, Final

from llmdctl.kube import KubernetesObject

MASK: Final = "***"
_KEY: Final = secrets.token_bytes(16)
_TOKENS: Final = re.compile(
    r"\bhf_[A-Za-z0-9]{20,}"  # Hugging Face
    r"|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*"  # JSON web token
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/=-]{12,}"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # user and password in an address
)
_NAMES: Final = re.compile(r"(?i)(token|password|passwd|secret|api_?key|authorization|credential)s?$")


def redact_text(text: str) -> str:
    """The text without anything that looks like a credential."""
    return _TOKENS.sub(MASK, text)


def redact_object(obj: KubernetesObject) -> dict[str, Any]:
    """The object with a Secret's data, and literal values of telling names in `env`, masked.

    A masked value keeps a mark of its own, so that a change of it is still seen as one.
    """
    copy = dict(obj)
    if obj.get("kind") == "Secret":
        for part in ("data", "stringData"):
            if isinstance(obj.get(part), Mapping):
                copy[part] = {key: _marked(value) for key, value in obj[part].items()}
        return copy
    return {key: _redact(value) for key, value in copy.items()}


def _redact(value: object) -> object:
    if isinstance(value, Mapping):
        if isinstance(value.get("value"), str) and _NAMES.search(str(value.get("name", ""))):
            return {**value, "value": _marked(value["value"])}
        return {key: _redact(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redact(inner) for inner in value]
    return redact_text(value) if isinstance(value, str) else value


def _marked(value: object) -> str:
    """Keyed by this process alone, and short: it tells equal from different, and cannot be guessed against."""
    return f"{MASK} ({hashlib.blake2s(str(value).encode(), key=_KEY, digest_size=2).hexdigest()})"
