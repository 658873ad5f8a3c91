"""The helm program, version 3.20+ or 4.2+: everything that changes a cluster goes through it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from llmdctl.errors import HelmError
from llmdctl.helm import command, process
from llmdctl.helm.door import ASSUMED_KUBERNETES, Change, Engine, Rendered, Target
from llmdctl.helm.failures import translate, translate_render
from llmdctl.helm.manifest import parse_manifests
from llmdctl.helm.values_file import values_file
from llmdctl.model.release import ReleaseSpec
from llmdctl.programs import Program

_LIMIT_SLACK_S: Final = 60.0  # on top of helm's own --timeout, before it is stopped from outside
_READ_LIMIT_S: Final = 60.0  # a read is a few requests


class HelmProgram:
    """Satisfies `Helm`."""

    def __init__(self, *, program: Program, target: Target) -> None:
        self._program = program
        self._target = target

    @cached_property
    def engine(self) -> Engine:
        """The program and its version."""
        return Engine(name="helm", version=self._program.version, path=self._program.path)

    @property
    def _major(self) -> int:
        return int(self._program.version.split(".", 1)[0])

    def render(
        self,
        spec: ReleaseSpec,
        *,
        kube_version: str = ASSUMED_KUBERNETES,
        api_versions: Sequence[str] = (),
        upgrade: bool = False,
    ) -> Rendered:
        """See `Renderer.render`; `notes` is None, `helm template` does not give them."""
        with values_file(spec.values) as values:
            arguments = command.template(
                name=spec.name, namespace=spec.namespace, chart=spec.chart, values=values,
                kube_version=kube_version, api_versions=api_versions, upgrade=upgrade,
            )  # fmt: skip
            finished = process.run([str(self._program.path), *arguments], limit_s=_READ_LIMIT_S)
        if finished.code != 0:
            raise translate_render(finished.stderr, chart=spec.chart.name)
        return self._rendered(finished.stdout, notes=None)

    def preview(self, change: Change) -> Rendered:
        """See `Helm.preview`."""
        return self._upgrade(change, dry_run=True)

    def upgrade(self, change: Change) -> Rendered:
        """See `Helm.upgrade`."""
        return self._upgrade(change, dry_run=False)

    def _upgrade(self, change: Change, *, dry_run: bool) -> Rendered:
        with values_file(change.values) as values:
            arguments = command.upgrade(change, values=values, major=self._major, dry_run=dry_run)
            answer = self._run(arguments, change.name, change.namespace, limit_s=change.timeout_s + _LIMIT_SLACK_S)
        try:
            stored = json.loads(answer)
            manifest, notes = stored["manifest"], stored["info"].get("notes", "")
        except (ValueError, KeyError, AttributeError) as cause:
            raise HelmError("helm ended well, but its answer cannot be read") from cause
        return self._rendered(manifest, notes=notes.strip())

    def rollback(self, name: str, namespace: str, revision: int, *, timeout_s: float) -> None:
        """See `Helm.rollback`."""
        arguments = command.rollback(name, namespace, revision, timeout_s=timeout_s)
        self._run(arguments, name, namespace, limit_s=timeout_s + _LIMIT_SLACK_S)

    def uninstall(self, name: str, namespace: str, *, timeout_s: float) -> bool:
        """See `Helm.uninstall`."""
        arguments = command.uninstall(name, namespace, timeout_s=timeout_s)
        finished = self._finish(arguments, limit_s=timeout_s + _LIMIT_SLACK_S)
        if finished.code == 0:
            return True
        if "release: not found" in finished.stderr:
            return False
        raise translate(finished.stderr, name=name, namespace=namespace)

    def manifest(self, name: str, namespace: str, revision: int) -> Rendered:
        """See `Helm.manifest`."""
        text = self._run(command.get("manifest", name, namespace, revision), name, namespace, limit_s=_READ_LIMIT_S)
        return self._rendered(text, notes=None)

    def values(self, name: str, namespace: str, revision: int) -> Mapping[str, Any]:
        """See `Helm.values`."""
        text = self._run(command.get("values", name, namespace, revision), name, namespace, limit_s=_READ_LIMIT_S)
        read = json.loads(text)  # `null` for a release without values
        return read if isinstance(read, dict) else {}

    def _rendered(self, text: str, *, notes: str | None) -> Rendered:
        return Rendered(text=text, objects=parse_manifests(text), notes=notes, engine=self.engine)

    def _run(self, arguments: Sequence[str], name: str, namespace: str, *, limit_s: float) -> str:
        finished = self._finish(arguments, limit_s=limit_s)
        if finished.code != 0:
            raise translate(finished.stderr, name=name, namespace=namespace)
        return finished.stdout

    def _finish(self, arguments: Sequence[str], *, limit_s: float) -> process.Finished:
        return process.run([str(self._program.path), *arguments, *command.target_flags(self._target)], limit_s=limit_s)
