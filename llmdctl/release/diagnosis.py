"""Why something is not ready, in the words of those who know: statuses, pods, containers' logs, events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from llmdctl.errors import ClusterError, Problem, WaitError
from llmdctl.kube import Cluster
from llmdctl.model.release import Readiness
from llmdctl.release.pods import Ailment
from llmdctl.release.redaction import redact_text
from llmdctl.release.snapshot import Snapshot

_LOG_LINES: Final = 10
_SHOWN: Final = 5  # kinds of ailment, and quiet pods, that are shown
_HAS_RUN: Final = frozenset({"CrashLoopBackOff", "OOMKilled"})
_REMEDY: Final = "Mend the cause and run the same command again: it goes on from here."


def broken_pods(cluster: Cluster, final: list[Ailment], namespace: str) -> WaitError:
    """For pods that cannot become ready."""
    pods = len({ailment.pod for ailment in final})
    return WaitError(
        f"{_count(pods, 'pod')} cannot become ready",
        problems=tuple(_ailing(cluster, final, namespace)),
        remedy=_REMEDY,
    )


def failed_objects(cluster: Cluster, seen: Snapshot, namespace: str) -> WaitError:
    """For objects whose controllers gave up."""
    failed = [state for state in seen.objects if state.readiness is Readiness.FAILED]
    problems = [Problem(message=f"{state.key}: {state.reason}") for state in failed]
    problems += _ailing(cluster, seen.ailments, namespace)
    return WaitError(f"{_count(len(failed), 'object')} failed", problems=tuple(problems), remedy=_REMEDY)


def out_of_time(cluster: Cluster, seen: Snapshot | None, namespace: str, timeout_s: float) -> WaitError:
    """For what was not ready in time; `seen` is the last look, None when there was none."""
    problems: list[Problem] = []
    if seen is not None:
        waiting = [state for state in seen.objects if state.readiness is not Readiness.READY]
        problems += [Problem(message=f"{state.key}: {state.reason}") for state in waiting]
        problems += _ailing(cluster, seen.ailments, namespace)
        ailing = {found.pod for found in seen.ailments}
        quiet = [pod.name for pod in seen.pods if not pod.ready and pod.name not in ailing]
        warnings = [_last_warning(cluster, pod, namespace) for pod in quiet[:_SHOWN]]
        problems += [Problem(message=text) for text in warnings if text]
    return WaitError(
        f"not ready after {timeout_s:.0f} s",
        problems=tuple(problems),
        remedy="What was installed stays and goes on. To wait longer, run the same command with a higher --timeout.",
    )


def _ailing(cluster: Cluster, found: Iterable[Ailment], namespace: str) -> Iterator[Problem]:
    """One problem for all pods that ail alike, with the log lines of the first."""
    alike: dict[tuple[str | None, str], list[Ailment]] = {}
    for ailment in found:
        alike.setdefault((ailment.container, ailment.reason), []).append(ailment)
    for group in list(alike.values())[:_SHOWN]:
        first = group[0]
        more = f" (and {_count(len(group) - 1, 'pod')} more)" if len(group) > 1 else ""
        lines = [f"{first}{more}", *(f"    {line}" for line in _log(cluster, first, namespace))]
        yield Problem(message=redact_text("\n".join(lines)))


def _log(cluster: Cluster, ailment: Ailment, namespace: str) -> tuple[str, ...]:
    """The last words of the run that ended, else of the present one; why not, when they cannot be had."""
    if ailment.container is None or ailment.reason not in _HAS_RUN:
        return ()
    refusal = ""
    for previous in dict.fromkeys((ailment.previous_log, False)):
        try:
            lines = cluster.logs(namespace, ailment.pod, ailment.container, previous=previous, lines=_LOG_LINES)
        except ClusterError as error:
            refusal = refusal or f"(its log cannot be read: {error.message})"
            continue
        if lines:
            return lines
    return (refusal or "(its log is empty)",)


def _last_warning(cluster: Cluster, pod: str, namespace: str) -> str:
    """The newest warning about a pod, such as a volume that cannot be mounted; empty when there is none."""
    fields = {"involvedObject.kind": "Pod", "involvedObject.name": pod, "type": "Warning"}
    try:
        events = cluster.list_objects("v1", "Event", namespace=namespace, fields=fields)
    except ClusterError:
        return ""  # events are a help, not a need
    newest = max(
        events, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""), default=None
    )
    return f"pod {pod}: {newest.get('reason')}: {newest.get('message')}" if newest else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
