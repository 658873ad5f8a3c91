"""Reading the manifests that Helm writes: as Helm reads them, which is not as PyYAML does.

Helm reads YAML with sigs.k8s.io/yaml: dates and `12:30` stay text, `=` is text, `1e3` is a number. PyYAML's own
rules would turn them into other things, or fail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from llmdctl.errors import HelmError
from llmdctl.scalars import MERGE, Scalar, resolve

_SOURCE = re.compile(r"^# Source: (\S+)", re.MULTILINE)
_TEXT, _LIST, _MAPPING = (f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map"))
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is some ten times faster where it is there


class _Loader(_BASE):  # type: ignore[misc]
    """A safe loader that leaves plain scalars to `llmdctl.scalars`."""

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: tuple[bool, bool]) -> str:
        """The tag of a node that has none: of a scalar text, whatever it looks like."""
        if kind is yaml.ScalarNode:
            return MERGE if value == "<<" and implicit[0] else _TEXT
        return _LIST if kind is yaml.SequenceNode else _MAPPING

    def descend_resolver(self, *_: object) -> None:
        """Nothing: no tag goes by the place of a node."""

    def ascend_resolver(self) -> None:
        """Nothing, likewise."""


def _scalar(_: yaml.SafeLoader, node: yaml.ScalarNode) -> Scalar:
    """Text in quotes or blocks as it is, plain text by what it means to Helm."""
    return str(node.value) if node.style else resolve(node.value, None)


_Loader.add_constructor(_TEXT, _scalar)


def parse_manifests(text: str) -> tuple[dict[str, Any], ...]:
    """The objects of a multi-document manifest, in order; documents without content are left out.

    Raises HelmError, naming the template where Helm wrote it down, for a document that is no YAML mapping.
    """
    return tuple(_objects(text))


def split_documents(text: str) -> Iterator[str]:
    """The documents of a stream that are not blank, split as Helm splits them."""
    return (document for document in re.split(r"(?m)^---[ \t]*", text) if document.strip())


def _objects(text: str) -> Iterator[dict[str, Any]]:
    for document in split_documents(text):
        try:
            read = yaml.load(document, Loader=_Loader)
        except yaml.YAMLError as cause:
            raise HelmError(f"{_template(document)} renders no valid YAML: {cause}") from cause
        if read is None:
            continue
        if not isinstance(read, dict):
            raise HelmError(f"{_template(document)} renders {type(read).__name__} instead of an object")
        yield read


def _template(document: str) -> str:
    found = _SOURCE.search(document)
    return found.group(1) if found else "a manifest"
