"""The configuration that an endpoint picker says it has loaded, from the first lines of its log. Pure.

All versions log the message `Loaded raw configuration` with one text. EPP 0.7.1: `{Plugins: [{NAME/TYPE, Parameters:
JSON} ...], SchedulingProfiles: [{Name: N, Plugins: [{PluginRef: R, Weight: 2.000000} ...]}]}`. EPP 0.9.0: the same with
`{Name: N, Type: T, Parameters: JSON}`. Seen from built binaries of both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

_MESSAGE: Final = "Loaded raw configuration"
_PLUGINS: Final = "Plugins: ["
_DEFAULTED: Final = "Default raw configuration used"
_OLD: Final = re.compile(r"\{(?P<name>[^/{},:]*)/(?P<type>[^/{},:]+?)(?P<more>, Parameters: |\})")
_NEW: Final = re.compile(
    r"\{(?:Name: (?P<name>[^{},]+), )?Type: (?P<type>[^{},]+?)(?:, Weight: [\d.]+)?(?P<more>, Parameters: |\})"
)
_PROFILE: Final = re.compile(r"\{Name: (?P<name>[^{},]+), Plugins: \[(?P<plugins>[^\]]*)\]")
_REFERENCE: Final = re.compile(r"\{PluginRef: (?P<ref>[^{},]+)(?:, Weight: (?P<weight>[\d.eE+-]+))?\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Configuration:
    """What counts of an EndpointPickerConfig: plugins by name with type and parameters, profiles with weights."""

    plugins: Mapping[str, tuple[str, str]]  # name -> type, parameters as JSON with sorted keys
    profiles: Mapping[str, tuple[tuple[str, float | None], ...]]  # name -> plugins with their weights, in order

    def differences(self, other: Configuration) -> list[str]:
        """How `other` differs, in words."""
        found = list(_differences("plugin", self.plugins, other.plugins))
        return found + list(_differences("profile", self.profiles, other.profiles))


def _differences(kind: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterable[str]:
    for name in wanted:
        if name not in found:
            yield f"{kind} {name} is missing"
        elif wanted[name] != found[name]:
            yield f"{kind} {name} differs"
    yield from (f"{kind} {name} is not rendered" for name in found if name not in wanted)


def rendered(config: Mapping[str, Any]) -> Configuration:
    """An EndpointPickerConfig as it stands in a ConfigMap."""
    rows = [row for row in config.get("plugins") or () if isinstance(row, Mapping)]
    profiles = [row for row in config.get("schedulingProfiles") or () if isinstance(row, Mapping)]
    return Configuration(
        plugins={
            str(row.get("name") or row.get("type")): (str(row.get("type")), _parameters(row.get("parameters")))
            for row in rows
        },
        profiles={
            str(profile.get("name")): tuple(
                (str(entry.get("pluginRef")), _weight(entry.get("weight"))) for entry in profile.get("plugins") or ()
            )
            for profile in profiles
        },
    )


def loaded(log: Iterable[str]) -> Configuration | None:
    """The configuration that the log tells of; None where it does not."""
    text = _text(log)
    if text is None:
        return None
    plugins: dict[str, tuple[str, str]] = {}
    head, _, rest = text.partition(", SchedulingProfiles: ")
    form = _NEW if "{Type: " in head or ", Type: " in head else _OLD
    for match in form.finditer(head, head.find(_PLUGINS)):
        parameters = None if match["more"] == "}" else _json(text[match.end() :])
        plugins[match["name"] or match["type"]] = (match["type"], _parameters(parameters))
    profiles = {
        match["name"]: tuple(
            (entry["ref"], _weight(entry["weight"])) for entry in _REFERENCE.finditer(match["plugins"])
        )
        for match in _PROFILE.finditer(rest)
    }
    return Configuration(plugins=plugins, profiles=profiles)


def _text(log: Iterable[str]) -> str | None:
    found = None
    for line in log:
        if _MESSAGE not in line and _DEFAULTED not in line:
            continue
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("config"), str):
            found = entry["config"]
    return found


def _json(text: str) -> object:
    try:
        return json.JSONDecoder().raw_decode(text)[0]
    except ValueError:
        return text.partition("}")[0]


def _parameters(value: object) -> str:
    return json.dumps(value, sort_keys=True) if value else ""


def _weight(value: object) -> float | None:
    try:
        return None if value is None else float(str(value))
    except ValueError:
        return None
