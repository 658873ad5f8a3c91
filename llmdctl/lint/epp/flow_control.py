"""Flow control, saturation and the data layer: what their sections need besides the right form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llmdctl.lint.epp.config import Config, rows
from llmdctl.lint.epp.producers import needs_metrics
from llmdctl.lint.epp.remark import Remark, remark
from llmdctl.model.finding import Severity


def check(config: Config) -> Iterator[Remark]:
    """The sections flowControl, and dataLayer or data."""
    yield from _flow_control(config)
    if config.catalogue.modern:
        yield from _data_layer(config)
    else:
        yield from _data(config)


def _flow_control(config: Config) -> Iterator[Remark]:
    section = config.value.get("flowControl")
    if not isinstance(section, Mapping):
        return
    # The saturation detector acts without the gate too.
    if "flowControl" not in config.gates and set(section) - {"saturationDetector"}:
        message = "'flowControl' has no effect: the feature gate flowControl is off."
        yield remark("LD1826", ("flowControl",), message, "Add flowControl to 'featureGates'.")
    seen: set[int] = set()
    for index, band in enumerate(rows(section, "priorityBands")):
        if not isinstance(band, Mapping):
            continue
        priority = band.get("priority", 0)
        path = ("flowControl", "priorityBands", index)
        if "priority" not in band:
            message = "The band states no priority: it is the band of priority 0."
            yield remark("LD1812", path, message, "Write the priority.")
        if isinstance(priority, int) and priority in seen:
            on = "flowControl" in config.gates
            tail = ": the EPP does not start" if on else ""
            severity = None if on else Severity.WARNING
            yield remark("LD1827", path, f"Two bands have the priority {priority}{tail}.", severity=severity)
        if isinstance(priority, int):
            seen.add(priority)


def _data_layer(config: Config) -> Iterator[Remark]:
    layer = config.value.get("dataLayer")
    yield from _sources_twice(config)
    if not isinstance(layer, Mapping) or layer.get("injectDefaults") is not False or rows(layer, "sources"):
        return
    path = ("dataLayer", "injectDefaults")
    advice = "Declare the sources, or leave injectDefaults out."
    if config.catalogue.version == "0.9":
        yield remark("LD1828", path, "There is no data source at all: the EPP does not start.", advice)
        return
    readers = needs_metrics(config)
    if readers:
        message = f"'{readers[0].name}' needs metrics, and there is no data source: the EPP does not start."
        yield remark("LD1828", path, message, advice)
    else:
        yield remark("LD1828", path, "There is no data source.", advice, severity=Severity.WARNING)


def _sources_twice(config: Config) -> Iterator[Remark]:
    seen: set[str] = set()
    for index, source in enumerate(rows(config.value, "dataLayer", "sources")):
        name = source.get("pluginRef") if isinstance(source, Mapping) else None
        if isinstance(name, str) and name in seen:
            message = f"'{name}' is listed twice as a source: the EPP does not start."
            yield remark("LD1828", ("dataLayer", "sources", index), message, "List its extractors in one place.")
        seen.add(str(name))


def _data(config: Config) -> Iterator[Remark]:
    """0.7: the data layer is a feature gate with a section of its own."""
    sources = rows(config.value, "data", "sources")
    gate = "dataLayer" in config.gates
    if gate and not sources:
        message = "The feature gate dataLayer is on and 'data.sources' is empty: the EPP does not start."
        yield remark("LD1828", ("featureGates",), message, "Name a source and its extractors, or remove the gate.")
    if sources and not gate:
        message = "'data.sources' without the feature gate dataLayer: the EPP does not start."
        yield remark("LD1828", ("data", "sources"), message, "Add dataLayer to 'featureGates'.")
    if not sources:
        for instance in (*config.of_kind("source"), *config.of_kind("extractor")):
            message = f"'{instance.name}' does nothing: 'data.sources' does not name it."
            yield remark("LD1823", instance.path, message, "Name it there, with the feature gate dataLayer.")
