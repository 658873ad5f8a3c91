"""The flags of vLLM and SGLang, against what their own parsers take in the version that runs."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from llmdctl.lint import snapshots
from llmdctl.lint.command import Option
from llmdctl.lint.recognition import Engine
from llmdctl.lint.rule import codes
from llmdctl.lint.snapshots import Accepted, Presence
from llmdctl.lint.world import World
from llmdctl.model.finding import Finding, Severity

_PARSERS = "Sources: the parsers of vLLM and SGLang, by version, in llmdctl/lint/data."

CODES = codes(
    ("LD1701", "Unknown engine flag", Severity.ERROR, f"The engine ends at once with a usage error. {_PARSERS}"),
    ("LD1702", "Engine flag of another version", Severity.ERROR, f"The engine ends at once. {_PARSERS}"),
    ("LD1703", "Value of the wrong type", Severity.ERROR, f"The engine ends at once. {_PARSERS}"),
    ("LD1704", "Value that the flag does not offer", Severity.ERROR, f"The engine ends at once. {_PARSERS}"),
    (
        "LD1705",
        "Switch with a value, or flag without one",
        Severity.ERROR,
        "argparse: a switch takes no value (--x or --no-x), every other flag wants one. "
        "https://docs.python.org/3/library/argparse.html",
    ),
    (
        "LD1706",
        "Abbreviation that fits several flags",
        Severity.ERROR,
        "argparse takes an abbreviation only when it fits one flag.",
    ),
    (
        "LD1707",
        "JSON that cannot be read",
        Severity.ERROR,
        "Flags that take an object read it as JSON when the engine starts.",
    ),
    (
        "LD1708",
        "Engine whose flags are not known",
        Severity.UNKNOWN,
        "There is no snapshot of this engine's parser, so its flags are not judged.",
    ),
    ("LD1709", "Flag stated twice", Severity.WARNING, "argparse keeps the last one."),
    (
        "LD1710",
        "Misspelt environment variable of vLLM",
        Severity.WARNING,
        "vLLM ignores a VLLM_ variable that it does not know. Source: vllm/envs.py of each version.",
    ),
)
_BOOLEANS = ("true", "false", "yes", "no", "on", "off")
_INT = re.compile(r"\s*[-+]?\d[\d_]*\s*")
_SIZE = re.compile(r"-1|auto|\d[\d_]*(\.\d+)?[kKmMgGtT]?i?")
_NO_STORE_BOOLEAN = (0, 9)  # from here on vLLM's switches take no value: BooleanOptionalAction


@dataclass(frozen=True, slots=True)
class _Judged:
    """One engine container with what is known of its engine."""

    engine: Engine
    known: snapshots.Engine
    version: snapshots.Version

    @property
    def title(self) -> str:
        name = {"vllm": "vLLM", "sglang": "SGLang"}[self.engine.name]
        return f"{name} {snapshots.text(self.version)}" if self.version else name

    def by(self, version: str) -> str:
        """Which version was looked at, where that is not the one that runs."""
        if not version or (self.version and snapshots.number(version) == self.version):
            return ""
        why = "the image does not say its version" if not self.version else "the nearest version that is known"
        return f" Judged by {version}: {why}."

    def finding(
        self, code: str, option: Option, message: str, remedy: str = "", *, sure: bool | None = True
    ) -> Finding:
        """`sure` None: nobody can tell; False: likely."""
        severity = {True: None, False: Severity.WARNING, None: Severity.UNKNOWN}[sure]
        return self.engine.container.finding(CODES[code], (), message, remedy, severity=severity, word=option.word)


def check(world: World) -> Iterator[Finding]:
    for engine in world.engines:
        known = snapshots.engine(engine.name)
        if known is None:
            message = f"The flags of {engine.name} are not judged: no snapshot of its parser is known."
            yield engine.container.finding(CODES["LD1708"], (), message)
            continue
        given = snapshots.number(world.versions.engine)
        judged = _Judged(engine, known, given or engine.version)
        for option in engine.line.options():
            yield from _option(judged, option)
        yield from _repeated(judged)
        yield from _variables(judged)


def _option(judged: _Judged, option: Option) -> Iterator[Finding]:
    if option.name.startswith("-O") and judged.engine.name == "vllm":
        return  # -O3 and -O.mode=3, which its parser takes apart by itself
    name = judged.known.spelled(option.name)
    if option.word.opaque and not option.joined and "=" not in option.word.text:
        return  # the flag's own name is not known
    presence = judged.known.presence(name, judged.version)
    if not presence.there:
        full = judged.known.abbreviated(name, judged.version)
        if len(full) == 1:
            name = full[0]
        elif full:
            yield _ambiguous(judged, option, full)
            return
        else:
            yield from _absent(judged, option, name, presence)
            if presence.there is False:
                return
    accepted = judged.known.accepted(name)
    if accepted is not None and "." not in option.name:
        yield from _value(judged, option, accepted)


def _ambiguous(judged: _Judged, option: Option, full: tuple[str, ...]) -> Finding:
    exact = judged.version in judged.known.versions
    message = f"{judged.title} cannot tell which flag {option.name} stands for: {', '.join(full[:4])}."
    return judged.finding("LD1706", option, message, "Write the flag in full.", sure=exact or None)


def _absent(judged: _Judged, option: Option, name: str, presence: Presence) -> Iterator[Finding]:
    near = judged.known.nearest(name, judged.version)
    remedy = f"Did you mean {near}?" if near else "Remove it."
    said = judged.by(presence.judged_by)
    if not presence.since:
        sure = True if presence.there is False else False if near else None
        message = f"{judged.title} has no flag {option.name}.{said}"
        yield judged.finding("LD1701", option, message, remedy, sure=sure)
        return
    known = presence.since if presence.since == presence.until else f"{presence.since} to {presence.until}"
    message = f"{judged.title} has no flag {option.name}; versions {known} have it.{said}"
    if presence.there is None:
        if not judged.version:
            return  # some version has it, and nobody knows which runs
        message = f"Whether {judged.title} has the flag {option.name} is not known; versions {known} have it."
    yield judged.finding(
        "LD1702", option, message, remedy if near else "", sure=True if presence.there is False else None
    )


def _value(judged: _Judged, option: Option, accepted: Accepted) -> Iterator[Finding]:
    if option.opaque or (option.word.many and not option.joined):
        return
    if accepted.kind == "switch":
        yield from _switch(judged, option)
        return
    if option.value is None or (option.value == "" and accepted.kind != "text"):
        if accepted.kind != "maybe":
            yield judged.finding("LD1705", option, f"{option.name} wants a value.", "State it, or remove the flag.")
        return
    wrong = _wrong_type(option.value, accepted.kind)
    if wrong:
        yield judged.finding("LD1703", option, f"{option.name} wants {wrong}, not '{option.value}'.", "")
    elif accepted.choices and accepted.kind not in ("many", "json"):
        yield from _choice(judged, option, accepted)
    if accepted.kind in ("json", "text") and option.value[:1] in "{[":
        yield from _json(judged, option, option.value)


def _switch(judged: _Judged, option: Option) -> Iterator[Finding]:
    following = option.words[0].text if option.words else ""
    value = option.value if option.joined else following if following.lower() in _BOOLEANS else None
    if value is None or (judged.engine.name == "vllm" and judged.version and judged.version < _NO_STORE_BOOLEAN):
        return
    bare = option.name.replace("_", "-")
    other = "--" + bare.removeprefix("--no-") if bare.startswith("--no-") else f"--no-{bare.lstrip('-')}"
    has_other = judged.known.accepted(other) is not None
    off = value.lower() in ("false", "no", "off", "0")
    remedy = f"Write {bare if not off else other if has_other else 'nothing'}."
    yield judged.finding("LD1705", option, f"{option.name} is a switch: it takes no value ('{value}').", remedy)


def _wrong_type(value: str, kind: str) -> str:
    """What is wanted, when `value` is not it."""
    if kind == "int" and not _INT.fullmatch(value):
        return "a whole number"
    if kind == "size" and not _SIZE.fullmatch(value):
        return "a whole number such as 16384 or 16k"
    if kind == "float":
        try:
            float(value)
        except ValueError:
            return "a number"
    return ""


def _choice(judged: _Judged, option: Option, accepted: Accepted) -> Iterator[Finding]:
    if option.value in accepted.choices:
        return
    exact = judged.version == judged.known.version
    near = difflib.get_close_matches(option.value or "", accepted.choices, n=1, cutoff=0.6)
    offered = ", ".join(accepted.choices[:12]) + (", ..." if len(accepted.choices) > 12 else "")
    said = "" if exact else judged.by(snapshots.text(judged.known.version))
    message = f"{option.name} offers {offered}; not '{option.value}'.{said}"
    yield judged.finding("LD1704", option, message, f"Did you mean {near[0]}?" if near else "", sure=exact or None)


def _json(judged: _Judged, option: Option, value: str) -> Iterator[Finding]:
    if value.startswith("[") and judged.engine.name != "vllm":
        return
    try:
        read = json.loads(value)
    except ValueError as cause:
        message = f"The value of {option.name} is no JSON: {cause}."
        yield judged.finding("LD1707", option, message, "Inside a shell, put the whole object in single quotes.")
        return
    role = read.get("kv_role") if isinstance(read, dict) else None
    if role is not None and role not in ("kv_producer", "kv_consumer", "kv_both"):
        message = f"kv_role is kv_producer, kv_consumer or kv_both, not '{role}'."
        yield judged.finding("LD1704", option, message)


def _repeated(judged: _Judged) -> Iterator[Finding]:
    seen: dict[str, Option] = {}
    for option in judged.engine.line.options():
        name = judged.known.spelled(option.name)
        accepted = judged.known.accepted(name)
        key = accepted.names[0] if accepted else name
        if "." in option.name or (accepted and (accepted.repeats or accepted.kind == "many")):
            continue
        first = seen.get(key)
        if first is not None and not option.opaque and not first.opaque and first.value != option.value:
            message = (
                f"{option.name} is stated twice, as '{first.stated}' and as '{option.stated}': the last one holds."
            )
            yield judged.finding("LD1709", option, message, "Keep one.")
        seen[key] = option


def _variables(judged: _Judged) -> Iterator[Finding]:
    if judged.engine.name != "vllm":
        return
    known = judged.known.variables
    for index, name in enumerate(judged.engine.container.env):
        if name in known or not name.startswith("VLLM_"):
            continue
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.9)
        if near:
            message = f"No version of vLLM that is known reads {name}: it has no effect."
            container = judged.engine.container
            yield container.finding(CODES["LD1710"], ("env", index), message, f"Did you mean {near[0]}?")
