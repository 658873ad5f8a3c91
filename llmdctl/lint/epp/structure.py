"""The top of a configuration: API version, kind, fields, feature gates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from llmdctl.lint.epp.catalogue import VERSIONS, Catalogue, catalogue, moved_field
from llmdctl.lint.epp.config import Config, rows
from llmdctl.lint.epp.remark import Remark, nearest, remark
from llmdctl.lint.epp.values import Judge
from llmdctl.model.finding import Severity

_KIND: Final = "EndpointPickerConfig"


def check(config: Config) -> Iterator[Remark]:
    """Everything that the strict decoder of the file says."""
    yield from _identity(config)
    known = config.catalogue.fields
    judge = Judge(catalogue=config.catalogue, unknown_code="LD1804", wrong_code="LD1805", strict=True, any_case=False)
    for name, value in config.value.items():
        if name in ("apiVersion", "kind"):
            continue
        if name not in known:
            yield _unknown(name, config.catalogue)
            continue
        if known[name].deprecated and value is not None:
            message = f"'{name}' is deprecated in {config.catalogue.version}."
            yield remark("LD1807", (name,), message, f"Use {known[name].deprecated}.")
        yield from judge.value(value, known[name], (name,))
    yield from _gates(config)


def _identity(config: Config) -> Iterator[Remark]:
    version, kind = config.value.get("apiVersion"), config.value.get("kind")
    known = config.catalogue
    if version is not None and version not in known.api_versions:
        message = f"EPP {known.version} does not know the apiVersion '{version}' and does not start."
        yield remark("LD1803", ("apiVersion",), message, f"Write {' or '.join(known.api_versions)}.")
    elif version in known.deprecated_api_versions:
        message = f"The apiVersion '{version}' is deprecated in EPP {known.version}."
        newer = [choice for choice in known.api_versions if choice not in known.deprecated_api_versions]
        yield remark("LD1807", ("apiVersion",), message, f"Write {' or '.join(newer)}.")
    if kind is not None and kind != _KIND:
        yield remark(
            "LD1803", ("kind",), f"The kind is '{kind}', not {_KIND}: the EPP does not start.", f"Write {_KIND}."
        )


def _unknown(name: str, known: Catalogue) -> Remark:
    other = moved_field(name)
    message = f"EPP {known.version} knows no field '{name}' and does not start."
    if other in known.fields:
        return remark("LD1804", (name,), message, f"In {known.version} it is called '{other}'.")
    since = [version for version in VERSIONS if name in catalogue(version).fields]
    if since:
        return remark("LD1804", (name,), message, f"It is there in EPP {', '.join(since)}.")
    return remark("LD1804", (name,), message, nearest(name, known.fields))


def _gates(config: Config) -> Iterator[Remark]:
    known = config.catalogue.gates
    for index, gate in enumerate(rows(config.value, "featureGates")):
        if not isinstance(gate, str):
            continue
        path = ("featureGates", index)
        name, equals, value = gate.partition("=")
        if equals and not (config.catalogue.gate_values and value in ("true", "false")):
            advice = "name=true or name=false" if config.catalogue.gate_values else "the name alone"
            message = f"The feature gate '{gate}' has a wrong form: the EPP does not start."
            yield remark("LD1825", path, message, f"Write {advice}.")
        elif name not in known:
            message = f"EPP {config.catalogue.version} knows no feature gate '{name}' and does not start."
            yield remark("LD1825", path, message, _advice(name, known))
        elif known[name].get("effect") is False:
            message = f"The feature gate '{name}' has no effect in {config.catalogue.version}: it is always on."
            yield remark("LD1825", path, message, "Remove it: 0.10 refuses it.", severity=Severity.NOTE)


def _advice(name: str, known: Mapping[str, object]) -> str:
    others = [version for version in VERSIONS if name in catalogue(version).gates]
    if others:
        return f"It is there in EPP {', '.join(others)}; remove it."
    return nearest(name, known) or f"There is {', '.join(sorted(known))}."
