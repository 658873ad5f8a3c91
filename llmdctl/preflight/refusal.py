"""Who in a cluster refuses an object, from the words of the API server. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """One refusal, with what to do about it."""

    by: str  # such as `webhook validate.kyverno.svc-fail`
    remedy: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pattern:
    words: re.Pattern[str]
    by: str  # groups of the pattern by number
    remedy: str


def _pattern(words: str, by: str, remedy: str) -> _Pattern:
    return _Pattern(words=re.compile(words), by=by, remedy=remedy)


_ASK: Final = "Ask its owner for an exception for this namespace, or change the values that it objects to."
_PATTERNS: Final = (
    # "failed calling webhook" first: such a webhook has not judged, it is away
    _pattern(
        r"failed calling webhook \"([^\"]+)\"",
        "webhook {0}, which does not answer",
        "Its service is away: bring it back, or have its owner remove the webhook configuration.",
    ),
    _pattern(r"admission webhook \"([^\"]+)\" denied", "webhook {0}", _ASK),
    _pattern(r"ValidatingAdmissionPolicy '([^']+)' with binding '([^']+)'", "policy {0} (binding {1})", _ASK),
    _pattern(
        r"violates PodSecurity \"([^\"]+)\"",
        "pod security level {0}",
        "Label the namespace with a level that the pods fit, or choose a namespace that has one.",
    ),
    _pattern(r"exceeded quota: ([^,]+)", "quota {0}", "Have the quota raised, or ask for less."),
    _pattern(
        r"unable to validate against any security context constraint",
        "OpenShift's security context constraints",
        "Bind a constraint that admits these pods to the service account of the release.",
    ),
    _pattern(
        r"attempting to grant RBAC permissions not currently held",
        "RBAC, since it gives more than you hold",
        "Hold these rights yourself (see LD0206), or have an administrator apply the roles.",
    ),
    _pattern(
        r"unknown field|field not declared in schema|failed to create typed patch object",
        "the schema of this cluster's version of the kind",
        "The kind is older or newer here than the recipe expects: bring its CRD or the cluster up to date.",
    ),
    _pattern(
        r"field is immutable|may not be changed|updates to \S+ spec for fields other than",
        "an immutable field of the object that is there",
        "Remove the object first, or install under another release name.",
    ),
    _pattern(
        r"in namespace (\S+) because it is being terminated",
        "namespace {0}, which is being deleted",
        "Wait until it is gone, or name another with --namespace.",
    ),
    _pattern(
        r"(?:minimum|maximum) \S+ usage per \S+ is", "a limit range", "Ask for amounts within it, or have it changed."
    ),
)


def refusal(message: str) -> Refusal:
    """Who refused by these words; the API server itself where no other is named."""
    for pattern in _PATTERNS:
        found = pattern.words.search(message)
        if found:
            return Refusal(by=pattern.by.format(*found.groups()), remedy=pattern.remedy)
    return Refusal(by="the API server", remedy="Change what its words name; `llmdctl render` shows the object.")
