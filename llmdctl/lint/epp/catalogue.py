"""What each version of the endpoint picker accepts: plugin types, their parameters, the fields of its configuration.

The data is `lint/data/epp-plugins.json`, which names the public source of every version. It was observed: a built
binary was started with each input. It is read at the first use only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final, TypeAlias

Number: TypeAlias = int | float

VERSIONS: Final = ("0.7", "0.9", "0.10")
"""Minor versions with data, oldest first; the data says which release each stands for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Replaced:
    """Numbers that the endpoint picker takes and silently replaces by `by` (None: by the default)."""

    below: Number | None = None
    above: Number | None = None
    at_most: Number | None = None
    at_least: Number | None = None
    all_of: bool = False  # the bounds limit one range from both sides, instead of two ranges outside
    by: Number | None = None

    def hits(self, value: Number) -> bool:
        """Whether `value` is one of them."""
        tests = [
            self.below is not None and value < self.below,
            self.above is not None and value > self.above,
            self.at_most is not None and value <= self.at_most,
            self.at_least is not None and value >= self.at_least,
        ]
        return (tests[0] and tests[1]) if self.all_of else any(tests)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """What may stand at one place of a configuration."""

    # string integer number boolean object strings objects labels duration nanoseconds quantity
    type: str
    required: bool = False
    default: Any = None
    minimum: Number | None = None
    maximum: Number | None = None
    exclusive_minimum: Number | None = None
    also: tuple[Number, ...] = ()  # allowed although outside the range
    enum: tuple[str, ...] = ()
    enum_checked: bool = True  # False: any other text is taken, without the effect that one expects
    range_checked: bool = True
    replaced: Replaced | None = None
    ignored: bool = False
    lenient: bool = False  # text that cannot be read becomes the default
    alias: str = ""  # deprecated name of another parameter
    needs: str = ""  # refused unless that parameter is there too
    ref: str = ""  # names a plugin of this kind
    ref_checked: bool = True
    deprecated: str = ""  # what to use instead
    since: str = ""  # only there after the release that the version stands for
    until: str = ""  # gone after the release that the version stands for
    fields: Mapping[str, Shape] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class PluginType:
    """One registered plugin type."""

    type: str
    kind: str
    also: tuple[str, ...] = ()  # further kinds
    strict: bool = False  # refuses parameters that it does not know
    reads_parameters: bool = True
    parameters: Mapping[str, Shape] = field(default_factory=dict)
    legacy: Mapping[str, Shape] = field(default_factory=dict)  # older flat names, not to be mixed with the others
    one_of: tuple[str, ...] = ()  # exactly one of these parameters
    auto_creates: tuple[str, ...] = ()  # producers that come by themselves, with their defaults
    requires_declared: tuple[str, ...] = ()  # producers that do not
    alpha: bool = False  # needs --allow-experimental-plugins
    deprecated: str = ""
    since: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        return (self.kind, *self.also)


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalogue:
    """All that one version knows."""

    version: str
    release: str  # the release that the data was taken from
    source: str
    plugins: Mapping[str, PluginType]
    fields: Mapping[str, Shape]
    gates: Mapping[str, Mapping[str, Any]]
    gate_values: bool  # `name=false` is a gate too
    api_versions: tuple[str, ...]
    deprecated_api_versions: tuple[str, ...]
    ordered: bool  # a decider must be declared before the handler that names it

    def of_kind(self, kind: str) -> frozenset[str]:
        """The plugin types of a kind."""
        return frozenset(name for name, plugin in self.plugins.items() if kind in plugin.kinds)

    @property
    def modern(self) -> bool:
        """Whether producers, the data layer and detectors are plugins (0.9 and later)."""
        return self.version != "0.7"


@cache
def data() -> Mapping[str, Any]:
    """The whole file."""
    text = (files("llmdctl.lint") / "data" / "epp-plugins.json").read_text(encoding="utf-8")
    loaded: Mapping[str, Any] = json.loads(text)
    return loaded


@cache
def catalogue(version: str) -> Catalogue:
    """The catalogue of a version of VERSIONS; KeyError for any other."""
    raw = data()["versions"][version]
    source = data()["sources"][version]
    return Catalogue(
        version=version,
        release=source["version"],
        source=source["source"],
        plugins={name: _plugin(name, entry) for name, entry in raw["plugins"].items()},
        fields=_shapes(raw["fields"]),
        gates=raw["feature_gates"],
        gate_values=raw["gate_values"],
        api_versions=tuple(raw["api_versions"]["accepted"]),
        deprecated_api_versions=tuple(raw["api_versions"]["deprecated"]),
        ordered=raw["ordered"],
    )


def known_elsewhere(plugin: str, version: str) -> tuple[str, ...]:
    """The other versions that have this plugin type."""
    return tuple(other for other in VERSIONS if other != version and plugin in data()["versions"][other]["plugins"])


def successors(plugin: str) -> tuple[str, ...]:
    """What a plugin type was replaced by."""
    return tuple(data()["renamed"]["types"].get(plugin, ()))


def moved_parameter(plugin: str, parameter: str) -> str:
    """Where a parameter of a plugin type went, or an empty string."""
    return str(data()["renamed"]["parameters"].get(plugin, {}).get(parameter, ""))


def moved_field(name: str) -> str:
    """The other name of a top-level field that was renamed between versions, or an empty string."""
    return str(data()["renamed"]["fields"].get(name, ""))


def _plugin(name: str, raw: Mapping[str, Any]) -> PluginType:
    return PluginType(
        type=name,
        kind=raw["kind"],
        also=tuple(raw.get("also", ())),
        strict=raw["strict"],
        reads_parameters=raw.get("reads_parameters", True),
        parameters=_shapes(raw.get("parameters", {})),
        legacy=_shapes(raw.get("legacy", {})),
        one_of=tuple(raw.get("one_of", ())),
        auto_creates=tuple(raw.get("auto_creates", ())),
        requires_declared=tuple(raw.get("requires_declared", ())),
        alpha=raw.get("alpha", False),
        deprecated=raw.get("deprecated", ""),
        since=raw.get("since", ""),
    )


def _shapes(raw: Mapping[str, Any]) -> Mapping[str, Shape]:
    return {name: _shape(entry) for name, entry in raw.items()}


def _shape(raw: Mapping[str, Any]) -> Shape:
    special = {"exclusiveMinimum", "replaced", "fields", "enum", "also", "unique"}
    plain = {name: value for name, value in raw.items() if name not in special}
    replaced = dict(raw["replaced"]) if "replaced" in raw else None
    if replaced is not None:
        replaced["all_of"] = replaced.pop("all", False)
    return Shape(
        **plain,
        exclusive_minimum=raw.get("exclusiveMinimum"),
        enum=tuple(raw.get("enum", ())),
        also=tuple(raw.get("also", ())),
        replaced=Replaced(**replaced) if replaced is not None else None,
        fields=_shapes(raw.get("fields", {})),
    )
