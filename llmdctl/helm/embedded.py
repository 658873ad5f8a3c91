"""The engine inside the PyPI package `helm-python-sdk` (Helm 4 as a library): renders in milliseconds, no process."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Final

from llmdctl.helm.door import ASSUMED_KUBERNETES, Engine, Rendered
from llmdctl.helm.failures import translate_render
from llmdctl.helm.sorting import in_install_order
from llmdctl.model.release import ReleaseSpec

LIBRARY: Final = "helm_python"
"""The name by which the package is imported: a Go runtime starts, a tenth of a second in which the interpreter is free
for other threads."""

_stderr_lock = Lock()


def importable() -> bool:
    """Whether the package is installed; does not import it."""
    return importlib.util.find_spec(LIBRARY) is not None


class EmbeddedHelm:
    """Satisfies `Renderer`."""

    def __init__(self) -> None:
        import helm_python

        self._sdk = helm_python

    @cached_property
    def engine(self) -> Engine:
        """The Helm inside the library."""
        return Engine(name="helm-python-sdk", version=str(self._sdk.helm_sdk_version()).removeprefix("v"))

    def render(
        self,
        spec: ReleaseSpec,
        *,
        kube_version: str = ASSUMED_KUBERNETES,
        api_versions: Sequence[str] = (),
        upgrade: bool = False,
    ) -> Rendered:
        """See `Renderer.render`."""
        options = {
            "name": spec.name,
            "namespace": spec.namespace,
            "kube_version": f"v{kube_version.removeprefix('v')}",
            "api_versions": list(api_versions),
            "is_install": not upgrade,
            "is_upgrade": upgrade,
        }
        try:
            files = self._files(spec.chart, spec.values, options)
        except self._sdk.HelmError as cause:
            raise translate_render(str(cause), chart=spec.chart.name) from cause
        notes = next((text for name, text in files.items() if _is_own_notes(name)), "")
        text, objects = in_install_order(files)
        return Rendered(text=text, objects=objects, notes=notes.strip(), engine=self.engine)

    def _files(self, chart: Path, values: Mapping[str, Any], options: Mapping[str, object]) -> dict[str, str]:
        """Template path -> text. The public `render` takes no Kubernetes version; the function below it does."""
        # Loaded for each render (12 ms): rendering takes disabled subcharts out of the loaded chart for good.
        with _quiet_stderr(), self._sdk.Chart.load(chart) as loaded:
            answer = self._sdk._native.call_string(
                "helm_render", loaded._raw(), json.dumps(values), json.dumps(options)
            )
        files: dict[str, str] = json.loads(answer)
        return files


def _is_own_notes(path: str) -> bool:
    """`chart/templates/NOTES.txt`, not that of a subchart: what `helm install` prints."""
    return path.endswith("/templates/NOTES.txt") and path.count("/") == 2


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Send file descriptor 2 away: the library writes a note there for every symbolic link in a chart."""
    with _stderr_lock:
        sys.stderr.flush()
        kept = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)
