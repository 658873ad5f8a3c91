"""One object as it was written: its content, and the line of everything in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from llmdctl.lint.rule import Code
from llmdctl.model.document import json_path
from llmdctl.model.finding import Finding, Severity

Place: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Manifest:
    """An object of Kubernetes, or a YAML text that stands inside one (`outer` then names the object).

    `value` may be anything; use `get`, which never fails. Lines are looked up only when a finding needs one.
    """

    value: Any
    file: str | None = None  # as shown to people
    node: yaml.Node | None = None  # of the file or the text inside; None for objects that were rendered here
    first_line: int = 0  # lines above the text that `node` comes from
    outer: Manifest | None = None
    prefix: Place = ()  # where the text stands in `outer`

    @property
    def api_version(self) -> str:
        return self.text("apiVersion")

    @property
    def kind(self) -> str:
        return self.text("kind")

    @property
    def name(self) -> str:
        return self.text("metadata", "name") or self.text("metadata", "generateName")

    @property
    def namespace(self) -> str:
        """Empty where the object states none."""
        return self.text("metadata", "namespace")

    @property
    def group(self) -> str:
        """The API group: `apps` of `apps/v1`, empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def identity(self) -> str:
        """`Kind/namespace/name`, as findings name objects."""
        return self.outer.identity if self.outer else f"{self.kind}/{self.namespace}/{self.name}"

    def get(self, *path: str | int) -> Any:  # noqa: ANN401 - whatever the manifest holds
        """The value at `path`, or None."""
        return look(self.value, *path)

    def text(self, *path: str | int) -> str:
        """The string at `path`, or an empty one."""
        found = self.get(*path)
        return found if isinstance(found, str) else ""

    def table(self, *path: str | int) -> Mapping[str, Any]:
        """The mapping at `path`, or an empty one."""
        found = self.get(*path)
        return found if isinstance(found, Mapping) else {}

    def rows(self, *path: str | int) -> Sequence[Any]:
        """The list at `path`, or an empty one."""
        found = self.get(*path)
        return found if isinstance(found, (list, tuple)) else ()

    def line(self, path: Place) -> int | None:
        """The 1-based line in `file` of the value at `path`, or of the nearest thing above it."""
        if self.node is None:
            return self.outer.line(self.prefix) if self.outer else None
        return self.first_line + _line(self.node, path)

    def finding(
        self, code: Code, path: Place, message: str, remedy: str = "", *, severity: Severity | None = None
    ) -> Finding:
        """A finding about the value at `path` of this object."""
        inside = json_path(path)
        return Finding(
            code=code.code,
            severity=severity or code.severity,
            object=self.identity,
            path=f"{json_path(self.prefix)}: {inside}" if self.outer and inside else json_path((*self.prefix, *path)),
            file=self.file,
            line=self.line(path),
            message=message,
            remedy=remedy,
        )


def look(value: Any, *path: str | int) -> Any:  # noqa: ANN401 - whatever the manifest holds
    """The value at `path` inside `value`, or None where there is none."""
    for step in path:
        if isinstance(step, str):
            if type(value) is not dict and not isinstance(value, Mapping):  # the first alone is twice as fast
                return None
            value = value.get(step)
        else:
            if not isinstance(value, (list, tuple)) or not -len(value) <= step < len(value):
                return None
            value = value[step]
    return value


def rows(value: Any, *path: str | int) -> Sequence[Any]:  # noqa: ANN401
    """The list at `path` inside `value`, or an empty one."""
    found = look(value, *path)
    return found if isinstance(found, (list, tuple)) else ()


def table(value: Any, *path: str | int) -> Mapping[str, Any]:  # noqa: ANN401
    """The mapping at `path` inside `value`, or an empty one."""
    found = look(value, *path)
    return found if isinstance(found, Mapping) else {}


def _line(node: yaml.Node, path: Place) -> int:
    """The line of an entry of a mapping is that of its key."""
    line = node.start_mark.line + 1
    for step in path:
        found: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key, child in node.value:
                if getattr(key, "value", None) == step:
                    found, line = child, key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and 0 <= step < len(node.value):
            found = node.value[step]
            line = found.start_mark.line + 1
        if found is None:
            break
        node = found
    return line
