"""The entries of `plugins`, each by itself: type, name, parameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from llmdctl.lint.epp import special
from llmdctl.lint.epp.catalogue import Catalogue, PluginType, known_elsewhere, moved_parameter, successors
from llmdctl.lint.epp.config import Config, Instance
from llmdctl.lint.epp.remark import Place, Remark, nearest, remark
from llmdctl.lint.epp.values import Judge
from llmdctl.model.finding import Severity


def check(config: Config) -> Iterator[Remark]:
    """Types, names and parameters."""
    yield from _names(config)
    for instance in config.instances:
        if instance.known is None:
            yield _unknown_type(instance, config.catalogue)
        else:
            yield from _standing(instance, instance.known, config)
            yield from _parameters(instance, instance.known, config)
            yield from special.check(instance, config)


def _names(config: Config) -> Iterator[Remark]:
    counts = Counter(instance.name for instance in config.instances)
    seen: set[str] = set()
    for instance in config.instances:
        if counts[instance.name] > 1 and instance.name in seen:
            message = f"Two plugins are called '{instance.name}': the EPP does not start."
            yield remark("LD1818", instance.path, message, "Give one of them a 'name' of its own.")
        seen.add(instance.name)


def _unknown_type(instance: Instance, known: Catalogue) -> Remark:
    message = f"EPP {known.version} has no plugin type '{instance.type}' and does not start."
    newer = [name for name in successors(instance.type) if name in known.plugins]
    older = [name for name in known.plugins if instance.type in successors(name) and instance.type not in known.plugins]
    if newer:
        advice = f"Use {' and '.join(filter(None, (', '.join(newer[:-1]), newer[-1])))}."
    elif older:
        advice = f"In {known.version} it is '{older[0]}'."
    elif known_elsewhere(instance.type, known.version):
        advice = f"It is there in EPP {', '.join(known_elsewhere(instance.type, known.version))}."
    else:
        advice = nearest(instance.type, known.plugins)
    return remark("LD1806", (*instance.path, "type"), message, advice)


def _standing(instance: Instance, plugin: PluginType, config: Config) -> Iterator[Remark]:
    path = (*instance.path, "type")
    version = config.catalogue.version
    if plugin.since:
        message = f"'{plugin.type}' is registered in builds after {config.catalogue.release} only, says their source."
        yield remark("LD1830", path, message, f"Leave it out for {config.catalogue.release}.")
    if plugin.deprecated:
        yield remark("LD1807", path, f"'{plugin.type}' is deprecated in {version}.", f"Use {plugin.deprecated}.")
    if plugin.alpha and not config.allow_alpha:
        message = f"'{plugin.type}' is an alpha plugin in {version}: the EPP does not start without the flag."
        severity = Severity.ERROR if config.allow_alpha is False else Severity.UNKNOWN
        yield remark("LD1808", path, message, "Set --allow-experimental-plugins.", severity=severity)


def _parameters(instance: Instance, plugin: PluginType, config: Config) -> Iterator[Remark]:
    path = (*instance.path, "parameters")
    given = instance.parameters
    if not plugin.reads_parameters:
        if given:
            names = ", ".join(f"'{name}'" for name in given)
            message = f"'{plugin.type}' takes no parameters; {names} is silently ignored."
            yield remark("LD1809", path, message, "Remove it.", severity=Severity.WARNING)
        return
    judge = Judge(
        catalogue=config.catalogue, unknown_code="LD1809", wrong_code="LD1810", strict=plugin.strict, any_case=True
    )
    shapes = {**plugin.legacy, **plugin.parameters}
    for found in judge.table(given, shapes, path):
        yield _moved(found, plugin, config.catalogue)
    yield from _combination(instance, plugin, path)


def _moved(found: Remark, plugin: PluginType, known: Catalogue) -> Remark:
    """An unknown parameter that went elsewhere says where."""
    target = (
        moved_parameter(plugin.type, str(found.path[-1])) if found.code == "LD1809" and len(found.path) == 4 else ""
    )
    if not target or (target.split(" ")[0] not in known.plugins and "." not in target):
        return found
    advice = f"It is now '{target}'." if "." in target else f"It belongs to {target}."
    return remark("LD1809", found.path, found.message, advice, severity=found.severity)


def _combination(instance: Instance, plugin: PluginType, path: Place) -> Iterator[Remark]:
    given = {name for name, value in instance.parameters.items() if value is not None}
    if plugin.one_of and len(given & set(plugin.one_of)) != 1:
        names = " and ".join(f"'{name}'" for name in plugin.one_of)
        yield remark("LD1811", path, f"'{plugin.type}' wants exactly one of {names}: the EPP does not start.")
    nested = [name for name in instance.parameters if name in plugin.parameters and name not in plugin.legacy]
    flat = [name for name in instance.parameters if name in plugin.legacy]
    if plugin.legacy and nested and flat:
        message = f"The older form ('{flat[0]}') and the newer one ('{nested[0]}') exclude each other."
        yield remark("LD1811", path, message, "Write 'profiles' and 'deciders' only.")
    for name, value in instance.parameters.items():
        shape = plugin.parameters.get(name)
        if shape and shape.needs and _positive(value) and shape.needs not in given:
            message = f"'{name}' is an old name and is refused without '{shape.needs}'."
            yield remark("LD1811", (*path, name), message, f"Write '{shape.needs}'.")
        elif shape and shape.alias:
            yield remark("LD1807", (*path, name), f"'{name}' is deprecated.", f"Write '{shape.alias}'.")


def _positive(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, (int, float)) and value > 0
