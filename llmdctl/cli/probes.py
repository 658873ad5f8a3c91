"""`preflight --probe`: what would run is listed, run, read, and gone again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from llmdctl.cli import doors
from llmdctl.cli.output import say, write_text
from llmdctl.errors import PreflightError

if TYPE_CHECKING:
    from llmdctl.cli.options import ClusterOptions
    from llmdctl.preflight import Case
    from llmdctl.preflight.probe_plan import Probe
    from llmdctl.release.events import Event

DEADLINE_S: Final = 600
"""Of one probe: pulling an engine's image, ten to twenty GB, takes most of it."""


def shown(case: Case, cluster: ClusterOptions) -> None:
    """Write the manifests of the probes to stdout; nothing is made."""
    from llmdctl.helm import to_manifests

    write_text(to_manifests([probe.manifest for probe in _planned(case, cluster)]))


def probed(case: Case, cluster: ClusterOptions) -> Case:
    """The case with what the probes found. Raises the door's errors; nothing is left behind then either."""
    from dataclasses import replace

    from llmdctl.release import probing

    planned = _planned(case, cluster)
    for probe in planned:
        say(f"Probe: {_described(probe)}")
    section = probing.run(doors.open_cluster(cluster), planned, timeout_s=float(DEADLINE_S), report=_told)
    for item in section.items:
        say(f"Probe: {item['node']}: {item['outcome']}" + (f": {item['reason']}" if item["reason"] else ""))
    seen = replace(case.inventory, sections={**case.inventory.sections, "probes": section})
    return replace(case, inventory=seen)


def _planned(case: Case, cluster: ClusterOptions) -> Sequence[Probe]:
    from llmdctl.preflight.probe_plan import probes
    from llmdctl.preflight.verdict import UnknowableError
    from llmdctl.release import probing

    namespace = probing.place_of(doors.open_cluster(cluster), case.namespace)
    try:
        planned = probes(case, namespace=namespace, deadline_s=DEADLINE_S)
    except UnknowableError as cause:
        raise PreflightError(f"which nodes to probe is not known: {cause}") from cause
    if not planned:
        say("Probe: no node that the model servers can go to; nothing to run.")
    return planned


def _described(probe: Probe) -> str:
    asks = ", ".join(f"{name}: {number}" for name, number in probe.asks.items()) or "no device"
    namespace = probe.manifest["metadata"]["namespace"]
    return f"Job {probe.name} in {namespace} on {probe.node} ({probe.node_type}): {probe.image}, {asks}"


def _told(event: Event) -> None:
    from llmdctl.release.events import Noticed

    if isinstance(event, Noticed):
        say(event.message)
