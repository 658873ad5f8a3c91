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

_SOURCE = re.compile(r"^# Source: (\S+)", re.MULTILINE)
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is some ten times faster where it is there


class _Loader(_BASE):  # type: ignore[misc]
    """A safe loader with the scalar rules of the YAML reader inside Helm."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  PyYAML's own interface


def _resolve(tag: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), list(first))


_resolve("bool", "y|Y|yes|Yes|YES|on|On|ON|true|True|TRUE|n|N|no|No|NO|off|Off|OFF|false|False|FALSE", "yYnNtTfFoO")
_resolve("null", "~|null|Null|NULL|", "~nN")
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile("^$"), [""])
_resolve("int", r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|(?:0|[1-9][0-9_]*))", "-+0123456789")
_resolve("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
         "-+0123456789.")  # fmt: skip
_resolve("merge", "<<", "<")


def _int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node)).replace("_", "")
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    if re.fullmatch("0[0-7]+", digits):
        return sign * int(digits, 8)
    return sign * int(digits, 0)


def _bool(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> bool:
    return bool(str(loader.construct_scalar(node)).lower() in {"y", "yes", "on", "true"})


def _float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    text = str(loader.construct_scalar(node)).lower().replace("_", "")
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


_Loader.add_constructor("tag:yaml.org,2002:int", _int)
_Loader.add_constructor("tag:yaml.org,2002:bool", _bool)
_Loader.add_constructor("tag:yaml.org,2002:float", _float)


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
