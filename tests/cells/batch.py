"""Many releases of one chart in one run of the embedded Helm.

A render reads the chart, compiles its schema and parses its templates, which takes longer than running them. Here the
templates of a chart are wrapped as named templates of a chart beside it, of the same name and version, whose NOTES.txt
runs them for each release in turn; its schema is the chart's own for each release. Values are laid over the chart's
defaults as Helm does it. `tests/e2e/recipes` holds that the objects are those of a plain render.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from llmdctl import assets
from llmdctl.errors import LlmdctlError
from llmdctl.helm import Renderer
from llmdctl.helm.manifest import parse_manifests
from llmdctl.model.release import ReleaseSpec

SIZE = 48  # releases in one run

NOTES = """\
{{- range $number, $values := .Values.releases }}
{{- $ctx := dict "Values" $values "Release" $.Release "Chart" $.Chart "Capabilities" $.Capabilities "Files" $.Files }}
{{- $_ := set $ctx "Template" (dict "BasePath" $.Template.BasePath "Name" $.Template.Name) }}
{{- $objects := list }}
{{- range $file := $.Values.files }}
{{- range $text := regexSplit "(?m)^---[ \\t]*$" (include $file $ctx) -1 }}
{{- $object := fromYaml $text }}
{{- if $object }}{{ $objects = append $objects $object }}{{ end }}
{{- end }}
{{- end }}
{{ toJson $objects }}
{{- end }}
"""


@dataclass(frozen=True)
class Batch:
    """One chart, ready to render many releases of it."""

    chart: Path  # the chart itself
    folder: Path  # the chart made beside it
    renderer: Renderer

    @classmethod
    def make(cls, chart: Path, within: Path, renderer: Renderer) -> Batch:
        """Write the chart beside `chart` into `within`."""
        folder = within / chart.name
        shutil.copytree(chart, folder, ignore=shutil.ignore_patterns("charts", "tests", "templates", "*.schema.json"))
        about = yaml.safe_load((chart / "Chart.yaml").read_text())
        (folder / "Chart.yaml").write_text(yaml.safe_dump({**about, "dependencies": []}))
        (folder / "values.yaml").write_text("{}")
        templates = folder / "templates"
        templates.mkdir()
        for source in (chart, assets.charts() / "llmd-library"):
            for file in sorted((source / "templates").glob("**/*")):
                text = _wrapped(file, chart, about["name"], source) if file.is_file() else None
                if text is not None:
                    (templates / f"_{source.name}-{file.name}").write_text(text)
        (templates / "NOTES.txt").write_text(NOTES)
        (folder / "values.schema.json").write_text(json.dumps(_schema(chart)))
        return cls(chart=chart, folder=folder, renderer=renderer)

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """The chart's own values, as Helm reads them."""
        return parse_manifests((self.chart / "values.yaml").read_text())[0]

    @cached_property
    def files(self) -> tuple[str, ...]:
        """Names of the templates that make objects."""
        name = yaml.safe_load((self.chart / "Chart.yaml").read_text())["name"]
        return tuple(f"{name}/templates/{file}" for file in _objects(self.chart))

    def render(self, specs: Sequence[ReleaseSpec]) -> Iterator[list[dict[str, Any]] | str]:
        """The objects of each release, or why there are none; in order."""
        for start in range(0, len(specs), SIZE):
            yield from self._some(specs[start : start + SIZE])

    def _some(self, specs: Sequence[ReleaseSpec]) -> Iterator[list[dict[str, Any]] | str]:
        releases = {f"{number:06d}": coalesced(self.defaults, spec.values) for number, spec in enumerate(specs)}
        values = {"releases": releases, "files": list(self.files)}
        whole = ReleaseSpec(
            name=specs[0].name, namespace=specs[0].namespace, chart=self.folder, values=values,
            recipe="", facets={}, evidence="",
        )  # fmt: skip
        try:
            lines = self.renderer.render(whole).notes.splitlines()
        except LlmdctlError as wrong:
            if len(specs) == 1:
                yield str(wrong)
            else:  # one of them fails: which?
                half = len(specs) // 2
                yield from self._some(specs[:half])
                yield from self._some(specs[half:])
        else:
            yield from (json.loads(line) for line in lines)


def coalesced(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` over a chart's `defaults` as Helm does it: a null removes a default."""
    result = dict(defaults)
    for key, value in values.items():
        below = result.get(key)
        if value is None and key in defaults:
            result.pop(key)
        elif isinstance(below, Mapping) and isinstance(value, Mapping):
            result[key] = coalesced(below, value)
        else:
            result[key] = value
    return result


def _objects(chart: Path) -> list[str]:
    files = sorted((chart / "templates").glob("**/*.yaml"))
    return [str(file.relative_to(chart / "templates")) for file in files if not file.name.startswith("_")]


def _wrapped(file: Path, chart: Path, name: str, source: Path) -> str | None:
    """A template's text; one that makes objects as a named template. None for what has no part in it."""
    text = file.read_text()
    if file.name.startswith("_"):
        return text
    if source != chart or file.suffix != ".yaml":
        return None
    path = file.relative_to(chart / "templates")
    return f'{{{{ define "{name}/templates/{path}" }}}}{text}{{{{ end }}}}'


def _schema(chart: Path) -> dict[str, Any]:
    """The schema of a chart for each of many releases."""
    whole = json.loads((chart / "values.schema.json").read_text())
    shared = {key: whole.pop(key) for key in ("$schema", "definitions", "$defs") if key in whole}
    definitions = {**shared.pop("definitions", {}), "release": whole}
    each = {"type": "object", "additionalProperties": {"$ref": "#/definitions/release"}}
    return {**shared, "definitions": definitions, "type": "object", "properties": {"releases": each}}
