"""From start to end of a model server: time to load, time to finish."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from llmdctl.lint.manifest import look, rows
from llmdctl.lint.recognition import VLLM, Engine
from llmdctl.lint.rule import codes
from llmdctl.lint.world import World
from llmdctl.memory import LEAST_START_S, least_start_s
from llmdctl.model.finding import Finding, Severity

_PROBES: Final = "https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/"

CODES = codes(
    (
        "LD1606",
        "Less time to start than loading takes",
        Severity.WARNING,
        f"The container is killed while it loads, again and again. {_PROBES}",
    ),
    (
        "LD1607",
        "Less time to end than draining takes",
        Severity.ERROR,
        "The pod is killed in the middle of answers: the grace period covers the preStop hook and the drain. "
        "https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination",
    ),
)
_BYTES_PER_PARAMETER: Final = 1.0  # between 4-bit (0.5) and 16-bit (2) weights
DEFAULT_GRACE_S: Final = 30


def check(world: World) -> Iterator[Finding]:
    for engine in world.engines:
        yield from _start(engine)
        yield from _end(engine)


def _seconds(probe: Any) -> float:  # noqa: ANN401 - a probe
    """How long a probe lets a container be before it is killed, with the API's defaults."""
    numbers = [look(probe, key) for key in ("initialDelaySeconds", "periodSeconds", "failureThreshold")]
    delay, period, failures = (
        number if isinstance(number, int) else default for number, default in zip(numbers, (0, 10, 3), strict=True)
    )
    return float(delay + period * failures)


def parameters(model: str | None) -> float | None:
    """Billions of parameters that a model's name states: 70 of `Llama-3.1-70B`."""
    found = re.findall(r"(?:^|[-_/.])(\d+(?:\.\d+)?)[bB](?=$|[-_.:])", (model or "").rpartition("/")[2])
    return max((float(number) for number in found), default=None)


def _start(engine: Engine) -> Iterator[Finding]:
    value = engine.container.value
    kind = "startupProbe" if look(value, "startupProbe") else "livenessProbe"
    probe = look(value, kind)
    if not probe:
        return
    budget = _seconds(probe)
    size = parameters(engine.model)
    needed = least_start_s((size or 0) * 1e9 * _BYTES_PER_PARAMETER)
    if budget >= needed:
        return
    message = f"The {kind} gives the engine {budget:.0f} s to start."
    if needed > LEAST_START_S:
        message += f" Reading {size:g} billion parameters alone takes about {needed:.0f} s at 1 GB/s."
    remedy = "Add a startupProbe." if kind == "livenessProbe" else "Raise failureThreshold of the startupProbe."
    yield engine.container.finding(CODES["LD1606"], (kind,), message, remedy)


def _hook(engine: Engine) -> float | None:
    """Seconds that the preStop hook takes; 0 without one, None when that is not known."""
    hook = look(engine.container.value, "lifecycle", "preStop")
    if not hook:
        return 0.0
    sleep = look(hook, "sleep", "seconds")
    if isinstance(sleep, int):
        return float(sleep)
    command = " ".join(str(word) for word in rows(hook, "exec", "command"))
    found = re.fullmatch(r"(?:(?:/bin/)?(?:ba)?sh -c )?(?:/bin/)?sleep (\d+)s?;?", command.strip())
    return float(found.group(1)) if found else None


def _end(engine: Engine) -> Iterator[Finding]:
    stated = look(engine.container.pod.spec, "terminationGracePeriodSeconds")
    grace = stated if isinstance(stated, int) else DEFAULT_GRACE_S
    hook = _hook(engine)
    drain = engine.line.integer("--shutdown-timeout") if engine.name == VLLM else None
    needed = (hook or 0) + (drain or 0)
    if needed <= grace:
        return
    parts = [f"the preStop hook {hook:.0f} s" if hook else "", f"--shutdown-timeout {drain} s" if drain else ""]
    message = (
        f"The pod is killed after {grace} s, and {' and '.join(part for part in parts if part)} take {needed:.0f} s."
    )
    place = ("terminationGracePeriodSeconds",)
    yield engine.container.pod.finding(CODES["LD1607"], place, message, f"State at least {needed + 5:.0f}.")
