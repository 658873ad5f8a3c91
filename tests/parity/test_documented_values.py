"""`--set` of each documented value has with Helm alone the effect that it has with llmdctl.

What can be set together is set together: a difference is looked for in halves, so that the value behind it is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from llmdctl.errors import LlmdctlError
from llmdctl.model.selection import Overrides
from tests.parity.documented import SUBCHARTS, Setting, documented
from tests.parity.plain import Helm, composed, generated, opened, ours

pytestmark = pytest.mark.programs

GROUP = 48  # settings tried at once
BASE = "pd-disaggregation/values.yaml"
# Roles that the base has not, and where they are.
ELSEWHERE = {"aggregate": "optimized-baseline/values.yaml", "encode": "multimodal-epd/values.yaml"}
ROLE = re.compile(r"^(?:modelserver|autoscaling)\.roles\.(\w+)\.")
ROLES = re.compile(r"roleDefaults|roles\.\w+")
KEY = re.compile(r"\b\w+(?:\.\w+)+\b")

# What llmdctl computes from facts after the user's settings, and a baked file cannot: the sizes of another model (the
# chart refuses them), the memory of a role that the file does not have, and the images of another endpoint picker (the
# chart refuses the file's images and names the right ones; the last test holds that with them the objects are equal).
RECOMPUTED = {
    "global.llmd.model.id",
    "modelserver.sizing.model",
    "global.llmd.roles.encode.workload",
    "global.llmd.eppVersion",
}
SETTINGS = {
    chart: [setting for setting in documented(chart) if setting.key not in RECOMPUTED] for chart in ("llmd", *SUBCHARTS)
}


@pytest.fixture(scope="module")
def helm() -> Iterator[Helm]:
    with opened(4, "documented-values") as program:
        yield program


def role_of(setting: Setting) -> str:
    """The role that a setting is of; empty for one that is of no role."""
    found = ROLE.match(setting.key)
    return found.group(1) if found else ""


@pytest.mark.parametrize("chart", SETTINGS)
def test_has_the_same_effect(chart: str, helm: Helm) -> None:
    by_file: dict[str, list[Setting]] = {}
    for setting in SETTINGS[chart]:
        by_file.setdefault(ELSEWHERE.get(role_of(setting), BASE), []).append(setting)
    assert by_file
    different = []
    for file, settings in by_file.items():
        together, alone = apart(file, settings)
        groups = [together[start : start + GROUP] for start in range(0, len(together), GROUP)]
        for group in [*groups, *([setting] for setting in alone)]:
            different += different_in(helm, file, group)
    assert different == []


def apart(file: str, settings: list[Setting]) -> tuple[list[Setting], list[Setting]]:
    """Those that llmdctl takes together, and those that have to be tried alone: one refusal would hide the others."""
    try:
        if settings:
            objects(file, settings)
    except LlmdctlError as error:
        if len(settings) == 1:
            return [], settings
        keys = blamed(error)
        if alone := [setting for setting in settings if any_role(setting.key).startswith(keys)]:
            together, others = apart(file, [setting for setting in settings if setting not in alone])
            return together, [*alone, *others]
        half = len(settings) // 2
        first, second = apart(file, settings[:half]), apart(file, settings[half:])
        return [*first[0], *second[0]], [*first[1], *second[1]]
    return settings, []


def blamed(error: LlmdctlError) -> tuple[str, ...]:
    """The keys that an error is about, whatever role they are of."""
    said = [error.message, *(problem.path or "" for problem in getattr(error, "problems", ()))]
    return tuple(any_role(key) for text in said for key in KEY.findall(text))


def any_role(key: str) -> str:
    """A key of `roleDefaults` or of one role as that of either."""
    return ROLES.sub("roles", key)


def objects(file: str, settings: list[Setting]) -> list[Any]:
    return ours(file, Overrides(sets=tuple(setting.argument for setting in settings)))


def different_in(helm: Helm, file: str, settings: list[Setting]) -> list[str]:
    """Those whose effect differs."""
    try:
        by_us = objects(file, settings)
    except LlmdctlError:
        by_us = None
    arguments = ",".join(setting.argument for setting in settings)
    if by_us is None and len(settings) == 1:
        # llmdctl may say no where Helm silently does nothing: a chart that this release has not.
        return [] if helm.gives([None, generated(file)], file, "--set", arguments) else [arguments]
    if by_us is not None and helm.gives([by_us], file, "--set", arguments):
        return []
    if len(settings) == 1:
        return [arguments]
    half = len(settings) // 2
    return [*different_in(helm, file, settings[:half]), *different_in(helm, file, settings[half:])]


@pytest.mark.parametrize("role", ELSEWHERE)
def test_of_a_role_that_is_not_there_is_refused(role: str, helm: Helm) -> None:
    """By llmdctl each; by the chart, whichever it is, where the chart that it is of is installed at all."""
    of_it = [setting for settings in SETTINGS.values() for setting in settings if role_of(setting) == role]
    for setting in of_it:
        with pytest.raises(LlmdctlError):
            composed(BASE, Overrides(sets=(setting.argument,)))
    servers = [setting.argument for setting in of_it if setting.key.startswith("modelserver.")]
    scalers = [setting.argument for setting in of_it if setting.key.startswith("autoscaling.")]
    for refused in (servers[0], servers[-1], ",".join(servers)):
        assert helm.gives([None], BASE, "--set", refused)
    assert helm.gives([generated(BASE)], BASE, "--set", ",".join(scalers)), "this release is not autoscaled"


def test_another_endpoint_picker_takes_its_images_along(helm: Helm) -> None:
    version = "global.llmd.eppVersion=0.10"
    assert helm.gives([None], BASE, "--set", version), "helm alone has to be told the images too"
    images = "scheduler.image.tag=v0.10.0,modelserver.routingSidecar.image.tag=v0.10.0"
    assert helm.gives([ours(BASE, Overrides(sets=(version,)))], BASE, "--set", f"{version},{images}")
