"""A configuration as the checks see it: the parts that have the right form, each with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from llmdctl.lint.epp.catalogue import Catalogue, PluginType, Shape
from llmdctl.lint.epp.remark import Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """One entry of `plugins`."""

    name: str  # its own, else its type
    type: str
    index: int
    parameters: Mapping[str, Any]
    known: PluginType | None  # None: the version does not register the type

    @property
    def path(self) -> Place:
        return ("plugins", self.index)

    @property
    def kinds(self) -> tuple[str, ...]:
        return self.known.kinds if self.known else ()

    @property
    def renamed(self) -> bool:
        """Whether it goes by another name than its type."""
        return self.name != self.type


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A name somewhere that means a plugin."""

    name: str
    path: Place
    weight: Any = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """One entry of `schedulingProfiles`."""

    name: str
    index: int
    plugins: tuple[Reference, ...]

    @property
    def path(self) -> Place:
        return ("schedulingProfiles", self.index)


@dataclass(frozen=True, kw_only=True)
class Config:
    """The whole of it. What has a wrong form is left out here and reported by `structure`."""

    value: Mapping[str, Any]
    catalogue: Catalogue
    allow_alpha: bool | None = None  # None: not known whether --allow-experimental-plugins is set

    @cached_property
    def instances(self) -> tuple[Instance, ...]:
        return tuple(self._instances())

    @cached_property
    def by_name(self) -> Mapping[str, Instance]:
        """The first instance of each name."""
        return {instance.name: instance for instance in reversed(self.instances)}

    @cached_property
    def types(self) -> frozenset[str]:
        """The types that are declared."""
        return frozenset(instance.type for instance in self.instances)

    @cached_property
    def profiles(self) -> tuple[Profile, ...]:
        return tuple(self._profiles())

    @cached_property
    def in_profiles(self) -> frozenset[str]:
        """The names that any profile mentions."""
        return frozenset(entry.name for profile in self.profiles for entry in profile.plugins)

    @cached_property
    def gates(self) -> frozenset[str]:
        """The feature gates that are on by this file, without `=true`."""
        return frozenset(name.partition("=")[0] for name in rows(self.value, "featureGates") if _on(name))

    def of_kind(self, kind: str) -> tuple[Instance, ...]:
        return tuple(instance for instance in self.instances if kind in instance.kinds)

    def _instances(self) -> Iterator[Instance]:
        for index, row in enumerate(rows(self.value, "plugins")):
            if not isinstance(row, Mapping) or not isinstance(row.get("type"), str):
                continue
            name = row.get("name")
            parameters = row.get("parameters")
            yield Instance(
                name=name if isinstance(name, str) and name else row["type"],
                type=row["type"],
                index=index,
                parameters=parameters if isinstance(parameters, Mapping) else {},
                known=self.catalogue.plugins.get(row["type"]),
            )

    def _profiles(self) -> Iterator[Profile]:
        for index, row in enumerate(rows(self.value, "schedulingProfiles")):
            if not isinstance(row, Mapping):
                continue
            name = row.get("name")
            references = tuple(
                Reference(
                    name=entry["pluginRef"],
                    path=("schedulingProfiles", index, "plugins", at, "pluginRef"),
                    weight=entry.get("weight"),
                )
                for at, entry in enumerate(rows(row, "plugins"))
                if isinstance(entry, Mapping) and isinstance(entry.get("pluginRef"), str)
            )
            yield Profile(name=name if isinstance(name, str) else "", index=index, plugins=references)


def rows(value: Mapping[str, Any], *steps: str) -> tuple[Any, ...]:
    """The list at `steps`, empty where there is none."""
    found: Any = value
    for step in steps:
        found = found.get(step) if isinstance(found, Mapping) else None
    return tuple(found) if isinstance(found, list) else ()


def named(instance: Instance, kind: str) -> Iterator[tuple[Shape, Reference]]:
    """The parameters of a plugin that name a plugin of `kind`, as far as they are written."""
    shapes = {**instance.known.legacy, **instance.known.parameters} if instance.known else {}
    yield from _named(instance.parameters, shapes, (*instance.path, "parameters"), kind)


def _named(
    value: Mapping[str, Any], shapes: Mapping[str, Shape], path: Place, kind: str
) -> Iterator[tuple[Shape, Reference]]:
    for key, inner in value.items():
        shape = shapes.get(key)
        if shape is None:
            continue
        if shape.ref == kind and isinstance(inner, str) and inner:
            yield shape, Reference(name=inner, path=(*path, key))
        elif shape.type == "object" and isinstance(inner, Mapping):
            yield from _named(inner, shape.fields, (*path, key), kind)


def _on(name: object) -> bool:
    return isinstance(name, str) and not name.endswith("=false")
