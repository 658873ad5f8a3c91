"""Sandboxes for people."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from llmdctl.cli.views.tables import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Group
    from rich.table import Table

    from llmdctl.cli.results import SandboxFault, SandboxImages
    from llmdctl.sandbox import SandboxStatus


def page(sandbox: SandboxStatus) -> Group:
    """`sandbox status`: processes, nodes, definitions, and what it does not do."""
    from rich.console import Group
    from rich.text import Text

    nodes = Counter((node.accelerator, node.real, node.ready) for node in sandbox.nodes)
    written = sandbox.definitions.written_from_documentation
    return Group(
        Text(f"{sandbox.name}: {sandbox.state.value}, Kubernetes {sandbox.kubernetes_version} at {sandbox.server}"),
        Text(""),
        table(
            ("component", "version", "pid", "state", "log"),
            (
                (part.component, part.version, part.pid, "running" if part.alive else "ended", part.log)
                for part in sandbox.processes
            ),
        ),
        Text(""),
        table(
            ("nodes", "accelerator", "kind", "state"),
            (
                (count, kind, "real" if real else "simulated", "ready" if ready else "not ready")
                for (kind, real, ready), count in sorted(nodes.items())
            ),
        ),
        Text(""),
        Text(
            f"{sandbox.definitions.total} CRDs, {len(written)} of them written from documentation"
            + (f": {', '.join(written)}." if written else ".")
        ),
        Text(sandbox.notice),
        Text(""),
        Text(f"export KUBECONFIG={sandbox.kubeconfig}"),
    )


def faults(found: Sequence[SandboxFault]) -> Table | str:
    """`sandbox fault`: what is, or was, set."""
    if not found:
        return "No fault."
    rows = (
        (
            fault.name,
            fault.fault,
            fault.namespace,
            fault.pod,
            ",".join(f"{key}={value}" for key, value in fault.labels.items()),
            fault.node,
        )
        for fault in found
    )
    return table(("fault", "kind", "namespace", "pod", "labels", "node"), rows)


def images(made: SandboxImages) -> Group:
    """`sandbox images`: what there is, what there is not, and what to do with it."""
    from rich.console import Group
    from rich.text import Text

    rows = ((image.name, image.reference, f"{image.size_bytes / 1e6:.0f} MB", image.archive) for image in made.images)
    more = [f"Not made: {place}. {why}" for place, why in made.unavailable.items()]
    if made.values:
        more.append(f"The images by their places, and endpoint picker {made.epp_version}: -f {made.values}")
    return Group(table(("image", "reference", "size", "archive"), rows), Text(""), *map(Text, more))
