"""Opening a cluster: which kubeconfig, which context, and what can be wrong with them."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path

from llmdctl.errors import UnreachableError
from llmdctl.kube.access import Access
from llmdctl.kube.client import ApiServer
from llmdctl.kube.credentials import access, of_pod
from llmdctl.kube.door import Cluster
from llmdctl.kube.merged import Kubeconfig, kubeconfig_files, merged
from llmdctl.kube.transport import Transport

_REMEDY = (
    "Name a cluster with --kubeconfig and --context or KUBECONFIG, or try the recipe without one: llmdctl sandbox up."
)


def connect(*, kubeconfig: Path | None = None, context: str | None = None, request_timeout_s: float = 15.0) -> Cluster:
    """The cluster that kubectl and helm would talk to; nothing is sent yet.

    Order: `kubeconfig`, KUBECONFIG, `~/.kube/config`, the service account of the pod this runs in. Raises
    UnreachableError when there is none, when it cannot be read, or when it has no such context.
    """
    return ApiServer(Transport(_access(kubeconfig, context), request_timeout_s=request_timeout_s))


def _access(kubeconfig: Path | None, context: str | None) -> Access:
    if kubeconfig is None and not kubeconfig_files() and "KUBERNETES_SERVICE_HOST" in os.environ and context is None:
        return of_pod()
    if kubeconfig is not None and not kubeconfig.is_file():
        raise UnreachableError(f"there is no kubeconfig {kubeconfig}", remedy=_REMEDY)
    files = [kubeconfig] if kubeconfig is not None else kubeconfig_files()
    if not files:
        raise UnreachableError("no kubeconfig was found", remedy=_REMEDY)
    config = merged(files)
    return access(config, _context(config, context, files), files)


def _context(config: Kubeconfig, context: str | None, files: Sequence[Path]) -> str:
    """The name of a context that is there: the one asked for, else the current one."""
    file, name = os.pathsep.join(str(path) for path in files), context or config.current
    if not name:
        raise UnreachableError(f"the kubeconfig {file} cannot be used: it names no current context", remedy=_REMEDY)
    if name not in config.contexts:
        known = list(config.contexts)
        near = difflib.get_close_matches(name, known, n=1)
        remedy = f"Did you mean '{near[0]}'?" if near else f"It has: {', '.join(known) or 'none'}."
        raise UnreachableError(f"the kubeconfig {file} has no context '{name}'", remedy=remedy)
    return name
