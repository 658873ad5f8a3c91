"""Profiles, the handler that chooses among them, pickers, weights, and plugins that stand where nothing uses them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.lint.epp.config import Config, Instance, Profile, named
from llmdctl.lint.epp.references import detector, spoken
from llmdctl.lint.epp.remark import Place, Remark, remark
from llmdctl.model.finding import Severity

_IN_PROFILES: Final = frozenset({"filter", "scorer", "picker"})
DISAGGREGATED: Final = ("disagg-profile-handler", "pd-profile-handler")


def check(config: Config) -> Iterator[Remark]:
    """Everything about `schedulingProfiles` but whether its references resolve."""
    yield from _handlers(config)
    if config.profiles:
        names = Counter(profile.name for profile in config.profiles)
        for profile in config.profiles:
            if names[profile.name] > 1 and profile is not _first(profile.name, config):
                message = f"Two profiles are called '{profile.name}': the EPP does not start."
                yield remark("LD1819", (*profile.path, "name"), message)
            yield from _one_profile(profile, config)
        yield from _unused(config)
    else:
        yield _no_profiles(config)
    for handler in config.of_kind("profile-handler"):
        if handler.type in DISAGGREGATED and config.profiles:
            yield from _disaggregated(handler, config)


def _first(name: str, config: Config) -> Profile:
    return next(profile for profile in config.profiles if profile.name == name)


def _handlers(config: Config) -> Iterator[Remark]:
    handlers = config.of_kind("profile-handler")
    for extra in handlers[1:]:
        message = f"'{extra.name}' is a second profile handler: the EPP does not start."
        yield remark("LD1819", extra.path, message, "Keep one.")
    if len(config.profiles) < 2:
        return
    several = f"There are {len(config.profiles)} profiles"
    if not handlers:
        message = f"{several} and no profile handler: the EPP does not start."
        yield remark("LD1819", ("schedulingProfiles",), message, "Declare a handler such as disagg-profile-handler.")
    elif handlers[0].type == "single-profile-handler":
        message = f"{several}, and single-profile-handler takes one: the EPP does not start."
        yield remark("LD1819", handlers[0].path, message, "Declare another handler, or keep one profile.")


def _no_profiles(config: Config) -> Remark:
    scorers = config.of_kind("scorer")
    path: Place = ("schedulingProfiles",) if "schedulingProfiles" in config.value else ()
    if not scorers:
        message = "No profile and no scorer: endpoints are chosen arbitrarily."
        return remark("LD1820", path, message, "Declare scorers, and a profile that names them.")
    message = "No profile is declared: every declared scorer acts with weight 1."
    return remark("LD1820", path, message, "Write the profile with its weights.")


def _one_profile(profile: Profile, config: Config) -> Iterator[Remark]:
    entries = [(entry, config.by_name.get(entry.name)) for entry in profile.plugins]
    pickers = [entry for entry, found in entries if found and "picker" in found.kinds]
    for entry in pickers[1:]:
        yield remark("LD1819", entry.path, f"'{entry.name}' is a second picker in one profile: the EPP does not start.")
    scorers = [entry for entry, found in entries if found and "scorer" in found.kinds]
    complete = all(found and found.known for _, found in entries)
    by_chance = any(found and found.type == "random-picker" for _, found in entries)
    if not scorers and complete and not by_chance:
        message = f"The profile '{profile.name}' has no scorer: its endpoints are chosen arbitrarily."
        # With a picker of its own the profile was thought about: filters may leave few endpoints.
        severity = Severity.NOTE if pickers else None
        advice = "Add a scorer, or random-picker where chance is meant."
        yield remark("LD1820", profile.path, message, advice, severity=severity)
    seen: set[str] = set()
    for entry, found in entries:
        if entry.name in seen and (not found or "picker" not in found.kinds):
            yield remark("LD1822", entry.path, f"'{entry.name}' stands twice in the profile and runs twice.")
        seen.add(entry.name)
        if found and found.known:
            yield from _weight(entry.weight, entry.path[:-1], found)
            if not _IN_PROFILES & set(found.kinds):
                message = f"'{entry.name}' is {spoken(found.known.kind)}: named in a profile it does nothing."
                yield remark("LD1823", entry.path, message, _place_of(found))


def _weight(weight: Any, path: Place, found: Instance) -> Iterator[Remark]:  # noqa: ANN401
    if isinstance(weight, bool) or not isinstance(weight, (int, float)):
        return
    place = (*path, "weight")
    if "scorer" not in found.kinds:
        message = f"'{found.name}' is no scorer: its weight does nothing."
        yield remark("LD1821", place, message, "Remove the weight.")
    elif weight < 0:
        yield remark("LD1821", place, f"The weight {weight} turns '{found.name}' around: the worst endpoint wins.")
    elif weight == 0:
        yield remark(
            "LD1821", place, f"With weight 0 '{found.name}' runs without effect.", "Remove it from the profile."
        )


def _unused(config: Config) -> Iterator[Remark]:
    """Plugins that are declared, and named by nothing that would use them."""
    without_picker = any(not _has_picker(profile, config) for profile in config.profiles)
    acting = detector(config)
    used = config.in_profiles | {reference.name for i in config.instances for _, reference in named(i, "decider")}
    used |= {str(shape.default) for i in config.instances for shape in _deciders(i)}
    used |= {acting.name} if acting else set()
    for instance in config.instances:
        if not instance.known or instance.name in used:
            continue
        kind = instance.known.kind
        if kind in ("scorer", "filter") and "producer" not in instance.kinds:
            yield _idle(instance, "no profile names it", "Name it in a profile, or remove it.")
        elif kind == "picker" and not without_picker:
            yield _idle(instance, "every profile has a picker already", "Name it in a profile, or remove it.")
        elif kind == "decider":
            yield _idle(instance, "no profile handler names it", "Name it in the handler's 'deciders', or remove it.")
        elif instance.type == "concurrency-detector":
            yield _idle(instance, "it is not the saturation detector", "Set flowControl.saturationDetector.pluginRef.")


def _idle(instance: Instance, why: str, advice: str) -> Remark:
    return remark("LD1823", instance.path, f"'{instance.name}' does nothing: {why}.", advice)


def _has_picker(profile: Profile, config: Config) -> bool:
    found = [config.by_name.get(entry.name) for entry in profile.plugins]
    return any(instance and "picker" in instance.kinds for instance in found)


def _deciders(instance: Instance) -> list[Any]:
    shapes = instance.known.parameters if instance.known else {}
    return [shape for shape in shapes.values() if shape.ref == "decider" and shape.default]


def _disaggregated(handler: Instance, config: Config) -> Iterator[Remark]:
    declared = {profile.name for profile in config.profiles}
    names = {role: _profile_of(handler, role) for role in ("decode", "prefill", "encode")}
    deciders = {role: decider_of(handler, role) for role in ("prefill", "encode")}
    if names["decode"] not in declared:
        message = f"'{handler.type}' runs a profile '{names['decode']}', which is not there: every request fails."
        yield remark("LD1824", handler.path, message, f"Add the profile '{names['decode']}'.")
    for role, decider in deciders.items():
        if decider and names[role] not in declared:
            message = f"'{decider}' sends requests to a profile '{names[role]}', which is not there."
            yield remark("LD1824", handler.path, message, f"Add the profile '{names[role]}'.")
        elif role == "prefill" and not decider and names[role] in declared:
            message = f"'{handler.type}' has no prefill decider: the profile '{names[role]}' is never used."
            yield remark("LD1824", handler.path, message, "Name one in 'deciders'.", severity=Severity.WARNING)
    for profile in config.profiles:
        if profile.name not in names.values():
            message = f"'{handler.type}' never runs the profile '{profile.name}'."
            yield remark("LD1824", (*profile.path, "name"), message, severity=Severity.WARNING)


def _profile_of(handler: Instance, role: str) -> str:
    nested = _table(handler.parameters, "profiles").get(role)
    flat = handler.parameters.get(f"{role}Profile")
    return next((name for name in (nested, flat) if isinstance(name, str) and name), role)


def decider_of(handler: Instance, role: str) -> str:
    """The decider that a disaggregated handler names for prefill or encode; empty where it names none."""
    if handler.type == "pd-profile-handler":
        return (
            str(handler.parameters.get("deciderPluginName") or "prefix-based-pd-decider") if role == "prefill" else ""
        )
    found = _table(handler.parameters, "deciders").get(role) or handler.parameters.get(f"{role}DeciderPluginName")
    if not found and role == "prefill":
        found = handler.parameters.get("deciderPluginName")
    return found if isinstance(found, str) else ""


def _table(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, Mapping) else {}


def _place_of(found: Instance) -> str:
    kind = found.known.kind if found.known else ""
    return {
        "profile-handler": "Declaring it is enough.",
        "decider": "Name it in the profile handler's parameters.",
        "parser": "Name it in requestHandler.parsers.",
    }.get(kind, "Remove it from the profile.")
