"""Opening a cluster: which kubeconfig, which context, and what can be wrong with them."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from llmdctl.errors import UnreachableError
from llmdctl.kube.client import ApiServer
from llmdctl.kube.door import Cluster
from llmdctl.kube.merged import kubeconfig_files, merged
from llmdctl.kube.transport import Transport

if TYPE_CHECKING:
    from kubernetes.client import Configuration

_REMEDY = (
    "Name a cluster with --kubeconfig and --context or KUBECONFIG, or try the recipe without one: llmdctl sandbox up."
)


def connect(*, kubeconfig: Path | None = None, context: str | None = None, request_timeout_s: float = 15.0) -> Cluster:
    """The cluster that kubectl and helm would talk to; nothing is sent yet.

    Order: `kubeconfig`, KUBECONFIG, `~/.kube/config`, the service account of the pod this runs in. Raises
    UnreachableError when there is none, when it cannot be read, or when it has no such context.
    """
    from kubernetes.client import ApiClient, Configuration

    configuration = Configuration()
    _load(configuration, kubeconfig, context)
    configuration.retries = False  # ours, which know what is safe to repeat, are in Transport
    return ApiServer(Transport(ApiClient(configuration), request_timeout_s=request_timeout_s))


def _load(configuration: Configuration, kubeconfig: Path | None, context: str | None) -> None:
    from kubernetes import config
    from yaml import YAMLError

    if kubeconfig is None and not kubeconfig_files() and "KUBERNETES_SERVICE_HOST" in os.environ and context is None:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        return
    if kubeconfig is not None and not kubeconfig.is_file():
        raise UnreachableError(f"there is no kubeconfig {kubeconfig}", remedy=_REMEDY)
    if kubeconfig is None and not kubeconfig_files():
        raise UnreachableError("no kubeconfig was found", remedy=_REMEDY)
    files = [kubeconfig] if kubeconfig is not None else kubeconfig_files()
    file = os.pathsep.join(str(path) for path in files)
    with _said_by_plugins() as said:
        try:
            config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=file, context=context, client_configuration=configuration, persist_config=False
            )
        except config.ConfigException as cause:
            raise _unusable(files, file, context, str(cause)) from cause
        except (YAMLError, OSError, UnicodeDecodeError, TypeError, AttributeError) as cause:
            raise UnreachableError(f"the kubeconfig {file} cannot be read: {_first_line(cause)}") from cause
    if said:
        raise UnreachableError(f"the credential plugin of the kubeconfig {file} failed: {said[-1]}")


def _unusable(files: Sequence[Path], file: str, context: str | None, said: str) -> UnreachableError:
    known = _contexts(files)
    if context is not None and context not in known:
        near = difflib.get_close_matches(context, known, n=1)
        remedy = f"Did you mean '{near[0]}'?" if near else f"It has: {', '.join(known) or 'none'}."
        return UnreachableError(f"the kubeconfig {file} has no context '{context}'", remedy=remedy)
    return UnreachableError(f"the kubeconfig {file} cannot be used: {said.splitlines()[0]}", remedy=_REMEDY)


def _contexts(files: Sequence[Path]) -> list[str]:
    try:
        return list(merged(files).contexts)
    except UnreachableError:
        return []


def _first_line(cause: BaseException) -> str:
    return (str(cause).splitlines() or [type(cause).__name__])[0]


@contextmanager
def _said_by_plugins() -> Iterator[list[str]]:
    """Collect what the client logs while it loads: a credential plugin that fails is logged there, not raised."""
    said: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage().strip())

    collector = Collector(level=logging.ERROR)
    root = logging.getLogger()
    root.addHandler(collector)
    try:
        yield said
    finally:
        root.removeHandler(collector)
