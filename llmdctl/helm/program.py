"""The helm program, version 3.20+ or 4.2+: everything that changes a cluster goes through it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from llmdctl.errors import HelmError
from llmdctl.helm import command, process
from llmdctl.helm.door import ASSUMED_KUBERNETES, Begun, Change, Engine, Rendered, Target
from llmdctl.helm.failures import translate, translate_render
from llmdctl.helm.manifest import parse_manifests
from llmdctl.helm.values_file import values_file, values_text
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
        return _rendered(finished.stdout, notes=None, engine=self.engine)

    def preview(self, change: Change) -> Rendered:
        """See `Helm.preview`."""
        return self._begin(change, dry_run=True).finish()

    def upgrade(self, change: Change) -> Rendered:
        """See `Helm.upgrade`."""
        return self._begin(change).finish()

    def begin(self, change: Change) -> Begun:
        """See `Helm.begin`."""
        return self._begin(change)

    def _begin(self, change: Change, *, dry_run: bool = False) -> _Upgrade:
        text = values_text(change.values).decode()
        arguments = command.upgrade(change, values=command.INPUT, major=self._major, dry_run=dry_run)
        # Of values without their end Helm makes an error, not an empty set: also where llmdctl is killed meanwhile.
        started = process.start(self._line(arguments), first=text[:1])
        return _Upgrade(change=change, engine=self.engine, started=started, rest=text[1:])

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
        return _rendered(text, notes=None, engine=self.engine)

    def values(self, name: str, namespace: str, revision: int) -> Mapping[str, Any]:
        """See `Helm.values`."""
        text = self._run(command.get("values", name, namespace, revision), name, namespace, limit_s=_READ_LIMIT_S)
        read = json.loads(text)  # `null` for a release without values
        return read if isinstance(read, dict) else {}

    def _run(self, arguments: Sequence[str], name: str, namespace: str, *, limit_s: float) -> str:
        finished = self._finish(arguments, limit_s=limit_s)
        if finished.code != 0:
            raise translate(finished.stderr, name=name, namespace=namespace)
        return finished.stdout

    def _finish(self, arguments: Sequence[str], *, limit_s: float) -> process.Finished:
        return process.run(self._line(arguments), limit_s=limit_s)

    def _line(self, arguments: Sequence[str]) -> list[str]:
        return [str(self._program.path), *arguments, *command.target_flags(self._target)]


@dataclass(kw_only=True)
class _Upgrade:
    """Satisfies `Begun`."""

    change: Change
    engine: Engine
    started: process.Started | None
    rest: str

    def finish(self) -> Rendered:
        """See `Begun.finish`."""
        assert self.started is not None, "it is finished once"
        started, self.started = self.started, None
        finished = started.finish(self.rest, limit_s=self.change.timeout_s + _LIMIT_SLACK_S)
        if finished.code != 0:
            raise translate(finished.stderr, name=self.change.name, namespace=self.change.namespace)
        try:
            stored = json.loads(finished.stdout)
            manifest, notes = stored["manifest"], stored["info"].get("notes", "")
        except (ValueError, KeyError, AttributeError) as cause:
            raise HelmError("helm ended well, but its answer cannot be read") from cause
        return _rendered(manifest, notes=notes.strip(), engine=self.engine)

    def abandon(self) -> None:
        """See `Begun.abandon`."""
        if self.started is not None:
            self.started.abandon()
            self.started = None


def _rendered(text: str, *, notes: str | None, engine: Engine) -> Rendered:
    return Rendered(text=text, objects=parse_manifests(text), notes=notes, engine=engine)
