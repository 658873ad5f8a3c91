"""Every error a user can meet, with the exit code it ends the program with.

All are defined here so that each is clear and unique. A message has up to three parts: what is wrong (the
exception's text), why (the cause, in the other program's own words), and what to do (`remedy`). `main` prints
them; nothing else does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One mistake in one place, as shown to the person who made it."""

    message: str
    file: str | None = None
    line: int | None = None  # 1-based
    path: str | None = None  # JSON path inside the file, such as `modelserver.roles.decode.replicas`
    suggestion: str | None = None  # the nearest valid choice
    remedy: str | None = None

    @property
    def place(self) -> str:
        """`file:line` as far as known, else an empty string."""
        if self.file is None:
            return ""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    def __str__(self) -> str:
        parts = [part for part in (self.place, self.path) if part]
        text = ": ".join([*parts, self.message])
        if self.suggestion:
            text += f" Did you mean '{self.suggestion}'?"
        if self.remedy:
            text += f" {self.remedy}"
        return text


class LlmdctlError(Exception):
    """Base of all errors that are reported without a traceback."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, remedy: str | None = None, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.problems = problems


class UsageError(LlmdctlError):
    """The command line asks for something that does not exist or does not fit together."""

    exit_code = 2


class RecipeError(LlmdctlError):
    """A path, facet or values file is wrong; `problems` holds every mistake found in one run."""

    exit_code = 2


class ProgramError(LlmdctlError):
    """A program that is needed cannot be found, fetched, built or run."""

    exit_code = 2


class PreflightError(LlmdctlError):
    """The cluster cannot carry the recipe."""

    exit_code = 3


class StrictWarningError(LlmdctlError):
    """Only warnings, but `--strict` was given."""

    exit_code = 4


class ClusterError(LlmdctlError):
    """The cluster cannot be reached, refuses, or answers with an error."""

    exit_code = 5


class UnreachableError(ClusterError):
    """No answer from the API server."""


class TimedOutError(UnreachableError):
    """No answer from the API server in time."""


class UnauthenticatedError(ClusterError):
    """The credentials are missing, wrong or expired (HTTP 401)."""


class ForbiddenError(ClusterError):
    """The credentials are valid but lack a right (HTTP 403)."""


class ConflictError(ClusterError):
    """Somebody else owns an object or a field."""


class PodGoneError(ClusterError):
    """A pod that was asked for an answer is not there, or does not run."""


class PortClosedError(ClusterError):
    """The pod runs, and nothing in it listens on the port that was asked for."""


class NoKubeletError(ClusterError):
    """The node of a pod forwards nothing: it is simulated, away, or its kubelet cannot be reached by the API server."""


class NoAnswerError(ClusterError):
    """Something in a pod took a connection and gave no answer in time."""


class BrokenOffError(ClusterError):
    """A pod's answer ended in the middle, or is no HTTP."""


class WaitError(ClusterError):
    """Something installed did not become ready: it failed, or the time ran out."""


class HelmError(LlmdctlError):
    """Helm refused or failed; the message carries Helm's own words."""

    exit_code = 6


class InfeasibleError(LlmdctlError):
    """No plan satisfies the constraints; the message names the conflicting rows."""

    exit_code = 7


class UndecidedError(LlmdctlError):
    """No answer within the limit."""

    exit_code = 8


class VerificationError(LlmdctlError):
    """What was installed does not do what it claims."""

    exit_code = 9


class DifferencesFound(LlmdctlError):
    """`diff` found differences. A result, raised only to carry the exit code."""

    exit_code = 10


class Interrupted(LlmdctlError):
    """Ctrl-C; the message says what has been done already."""

    exit_code = 130
