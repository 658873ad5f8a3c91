"""Names that mean plugins: each must be declared, be of the right kind, and in 0.7 and 0.9 come early enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from llmdctl.lint.epp.catalogue import Shape
from llmdctl.lint.epp.config import Config, Instance, Reference, named, rows
from llmdctl.lint.epp.remark import Place, Remark, nearest, remark
from llmdctl.model.finding import Severity

# Plugins of other kinds that take the events of a source as extractors do: EndpointExtractor in
# https://github.com/llm-d/llm-d-router/tree/v0.9.0/pkg/epp/framework/plugins.
_TAKES_EVENTS: Final = (
    "inflight-load-producer",
    "mm-embeddings-cache-producer",
    "precise-prefix-cache-producer",
    "precise-prefix-cache-scorer",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A reference from the top of the file, and what it may point to."""

    reference: Reference
    kind: str  # empty: not known, any will do
    or_types: tuple[str, ...] = ()  # types of other kinds that will do
    undeclared: frozenset[str] = frozenset()  # types that need not be declared
    checked: bool = True  # False: the endpoint picker does not look at it


def check(config: Config) -> Iterator[Remark]:
    """Every reference of the file but those to producers."""
    for profile in config.profiles:
        for entry in profile.plugins:
            yield from _resolved(Wanted(reference=entry, kind=""), config)
    for wanted in _from_the_top(config):
        yield from _resolved(wanted, config)
    for instance in config.instances:
        for _, reference in named(instance, "decider"):
            yield from _decider(instance, reference, config)
        yield from _default_decider(instance, config)
        yield from _prefix_plugin(instance, config)


def detector(config: Config) -> Reference | None:
    """The saturation detector that acts by the file, or None for the default one."""
    if not config.catalogue.modern:
        return None
    for path in (("flowControl", "saturationDetector", "pluginRef"), ("saturationDetector", "pluginRef")):
        found = _at(config.value, *path)
        if found:
            return found
    return None


def _resolved(wanted: Wanted, config: Config) -> Iterator[Remark]:
    reference = wanted.reference
    found = config.by_name.get(reference.name)
    severity = None if wanted.checked else Severity.WARNING
    if found is None:
        if reference.name not in wanted.undeclared:
            tail = ": the EPP does not start" if wanted.checked else "; the EPP does not look at it"
            message = f"No plugin is called '{reference.name}'{tail}."
            advice = nearest(reference.name, config.by_name) or _declare(reference.name, wanted.kind, config)
            yield remark("LD1813", reference.path, message, advice, severity=severity)
    elif wanted.kind and found.known and wanted.kind not in found.kinds and found.type not in wanted.or_types:
        message = f"'{reference.name}' is {spoken(found.known.kind)}, not {spoken(wanted.kind)}."
        yield remark("LD1815", reference.path, message, severity=severity)


def _declare(name: str, kind: str, config: Config) -> str:
    plugin = config.catalogue.plugins.get(name)
    return f"Declare it under 'plugins' with 'type: {name}'." if plugin and kind in ("", *plugin.kinds) else ""


def _from_the_top(config: Config) -> Iterator[Wanted]:
    value, known = config.value, config.catalogue
    parsers = known.of_kind("parser")
    for entry in (_at(value, "parser", "pluginRef"), *_each(value, "requestHandler", "parsers")):
        if entry and "parser" in known.fields:
            yield Wanted(reference=entry, kind="parser", undeclared=parsers)
    if known.modern:
        for path in (("saturationDetector", "pluginRef"), ("flowControl", "saturationDetector", "pluginRef")):
            entry = _at(value, *path)
            if entry:
                default = frozenset({"utilization-detector"})
                yield Wanted(reference=entry, kind="saturation-detector", undeclared=default)
    yield from _data_layer(value, "dataLayer" if known.modern else "data")
    yield from _flow_control(config)


def _data_layer(value: Mapping[str, Any], field: str) -> Iterator[Wanted]:
    for index, source in enumerate(rows(value, field, "sources")):
        if not isinstance(source, Mapping):
            continue
        entry = _at(source, "pluginRef", below=(field, "sources", index))
        if entry:
            yield Wanted(reference=entry, kind="source")
        for entry in _each(source, "extractors", below=(field, "sources", index)):
            yield Wanted(reference=entry, kind="extractor", or_types=_TAKES_EVENTS)
    discovery = _at(value, field, "discovery", "pluginRef")
    if discovery:
        yield Wanted(reference=discovery, kind="discovery")


def _flow_control(config: Config) -> Iterator[Wanted]:
    value, checked = config.value, "flowControl" in config.gates
    bands: list[Place] = [("flowControl", name) for name in ("defaultPriorityBand", "defaultNegativePriorityBand")]
    bands += [
        ("flowControl", "priorityBands", index) for index in range(len(rows(value, "flowControl", "priorityBands")))
    ]
    for band in bands:
        for field, kind in (("fairnessPolicyRef", "fairness"), ("orderingPolicyRef", "ordering")):
            entry = _at(value, *band, field)
            default = frozenset({"global-strict-fairness-policy", "fcfs-ordering-policy"})
            if entry:
                yield Wanted(reference=entry, kind=kind, undeclared=default, checked=checked)
    usage = _at(value, "flowControl", "usageLimitPolicyPluginRef")
    if usage:
        default = frozenset({"static-usage-limit-policy"})
        yield Wanted(reference=usage, kind="usage-limit", undeclared=default, checked=checked)


def _decider(instance: Instance, reference: Reference, config: Config) -> Iterator[Remark]:
    yield from _resolved(Wanted(reference=reference, kind="decider"), config)
    found = config.by_name.get(reference.name)
    if config.catalogue.ordered and found and "decider" in found.kinds and found.index > instance.index:
        message = f"'{reference.name}' is declared after '{instance.name}', which names it: the EPP does not start."
        yield remark("LD1814", reference.path, message, f"Move it above plugins[{instance.index}].")


def _default_decider(instance: Instance, config: Config) -> Iterator[Remark]:
    """A decider that a parameter names by default must be declared like any other."""
    shapes: Mapping[str, Shape] = instance.known.parameters if instance.known else {}
    for name, shape in shapes.items():
        if shape.ref == "decider" and shape.default and not instance.parameters.get(name):
            reference = Reference(name=str(shape.default), path=(*instance.path, "type"))
            found = config.by_name.get(reference.name)
            late = found and config.catalogue.ordered and found.index > instance.index
            if found is None or late:
                how = "after it" if late else "nowhere"
                message = f"'{instance.type}' uses '{reference.name}' by default, which is declared {how}."
                yield remark("LD1814" if late else "LD1813", reference.path, message, "Declare it before.")


def _prefix_plugin(instance: Instance, config: Config) -> Iterator[Remark]:
    """0.10 resolves two old parameters of the P/D handler that earlier releases did not look at."""
    if instance.type != "pd-profile-handler" or config.catalogue.version != "0.10":
        return
    for name in ("prefixPluginType", "prefixPluginName"):
        value = instance.parameters.get(name)
        if isinstance(value, str) and value:
            reference = Reference(name=value, path=(*instance.path, "parameters", name))
            yield from _resolved(Wanted(reference=reference, kind=""), config)


def _at(value: Mapping[str, Any], *steps: str | int, below: Place = ()) -> Reference | None:
    found: Any = value
    for step in steps:
        if isinstance(found, Mapping) and isinstance(step, str):
            found = found.get(step)
        elif isinstance(found, list) and isinstance(step, int):
            found = found[step]
        else:
            return None
    return Reference(name=found, path=(*below, *steps)) if isinstance(found, str) and found else None


def _each(value: Mapping[str, Any], *steps: str, below: Place = ()) -> Iterator[Reference]:
    for index, row in enumerate(rows(value, *steps)):
        name = row.get("pluginRef") if isinstance(row, Mapping) else None
        if isinstance(name, str) and name:
            yield Reference(name=name, path=(*below, *steps, index, "pluginRef"))


def spoken(kind: str) -> str:
    """`a scorer`, `an extractor`, `an ordering policy`."""
    if kind == "other":
        return "a plugin of another kind"
    name = kind.replace("-", " ") + (" policy" if kind in ("fairness", "ordering", "usage-limit") else "")
    return f"{'an' if name[0] in 'aeio' else 'a'} {name}"
