"""The command lines of the endpoint picker and of its routing sidecar, against the flags of their release.

The data is `lint/data/epp-flags.json`, which names its public sources: help texts and start attempts of built
binaries. Both programs parse with https://github.com/spf13/pflag.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from llmdctl.lint.command import CommandLine, Option, canonical
from llmdctl.lint.epp.catalogue import VERSIONS
from llmdctl.lint.epp.remark import nearest
from llmdctl.lint.epp.values import seconds
from llmdctl.lint.rule import Code, codes
from llmdctl.model.finding import Severity

EPP: Final = "epp"
SIDECAR: Final = "sidecar"

_ROUTER: Final = "Seen with built binaries of https://github.com/llm-d/llm-d-router."
CODES: Final[Mapping[str, Code]] = codes(
    (
        "LD1840",
        "Unknown flag of the endpoint picker or its sidecar",
        Severity.ERROR,
        f"The program prints its usage and exits 2. {_ROUTER}",
    ),
    (
        "LD1841",
        "Value that the flag does not take",
        Severity.ERROR,
        "The endpoint picker exits 1, in some releases without any log line; the sidecar logs the error and exits 0, "
        f"so that nothing looks wrong. {_ROUTER}",
    ),
    (
        "LD1842",
        "Deprecated or ineffective flag",
        Severity.NOTE,
        f"Still accepted; the release names what replaces it. {_ROUTER}",
    ),
    (
        "LD1843",
        "Flags that do not fit together",
        Severity.ERROR,
        "Exactly one of --pool-name and --endpoint-selector, at most one of --config-file and --config-text; otherwise "
        f"the endpoint picker exits 1. {_ROUTER}",
    ),
    (
        "LD1844",
        "Boolean flag with its value as the next word",
        Severity.ERROR,
        "A boolean flag takes its value only as --name=false; in `--name false` it is true and `false` is dropped. "
        "https://pkg.go.dev/github.com/spf13/pflag#hdr-Command_line_flag_syntax",
    ),
    (
        "LD1845",
        "Variable without effect",
        Severity.WARNING,
        "ENABLE_EXPERIMENTAL_FLOW_CONTROL_LAYER is logged as deprecated and does nothing: flow control is the feature "
        f"gate flowControl. {_ROUTER}",
    ),
)

_BOOLEANS: Final = frozenset({"1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"})
_INTEGER: Final = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|[0-9]+)")
_PORT_FLAGS: Final = frozenset({"port", "vllm-port", "model-server-port"})  # texts that must be numbers
_STOPS: Final = "starting it stops the program"
_FLOW_CONTROL_ENV: Final = "ENABLE_EXPERIMENTAL_FLOW_CONTROL_LAYER"


@dataclass(frozen=True, kw_only=True, slots=True)
class FlagRemark:
    """What is wrong with one option, or with the command line as a whole (`option` None)."""

    code: str  # of CODES
    severity: Severity
    message: str
    remedy: str = ""
    option: Option | None = None


@cache
def flags(program: str, version: str) -> Mapping[str, Mapping[str, Any]]:
    """Every flag of a release of EPP or SIDECAR, by its name without dashes."""
    found: Mapping[str, Mapping[str, Any]] = _data()[program][version]
    return found


@cache
def _data() -> Mapping[str, Any]:
    text = (files("llmdctl.lint") / "data" / "epp-flags.json").read_text(encoding="utf-8")
    loaded: Mapping[str, Any] = json.loads(text)
    return loaded


def check(program: str, version: str, line: CommandLine, env: Collection[str]) -> Iterator[FlagRemark]:
    """The remarks about a command line; `env` are the names of the container's variables."""
    known = flags(program, version)
    for option in line.options():
        name = canonical(option.name)
        flag = known.get(name)
        if flag is None:
            if name not in ("h", "help", "version"):
                yield _unknown(program, version, option)
            continue
        yield from _standing(option, name, flag)
        yield from _value(program, option, name, flag)
    if program == EPP:
        yield from _pool(line, env)
        yield from _configuration(line)
        if _FLOW_CONTROL_ENV in env:
            message = f"{_FLOW_CONTROL_ENV} has no effect: flow control stays as 'featureGates' says."
            yield FlagRemark(
                code="LD1845", severity=Severity.WARNING, message=message, remedy="Use the feature gate flowControl."
            )
    elif line.find("--enable-ssrf-protection") and not line.find("--inference-pool") and "INFERENCE_POOL" not in env:
        message = "--enable-ssrf-protection needs --inference-pool; without it the sidecar stops and exits 0."
        yield FlagRemark(code="LD1843", severity=Severity.ERROR, message=message, remedy="Name the pool.")


def _unknown(program: str, version: str, option: Option) -> FlagRemark:
    name = canonical(option.name)
    others = [other for other in VERSIONS if name in flags(program, other)]
    spoken = "The EPP" if program == EPP else "The sidecar"
    message = f"{spoken} {version} has no flag '{option.name}' and exits 2."
    if others:
        told = next((flags(program, other)[name].get("deprecated") for other in reversed(others)), None)
        remedy = f"It is there in {', '.join(others)}." + (f" Use {told}." if told else "")
    else:
        remedy = nearest(name, flags(program, version)).replace("'", "'--", 1)
    return FlagRemark(code="LD1840", severity=Severity.ERROR, message=message, remedy=remedy, option=option)


def _standing(option: Option, name: str, flag: Mapping[str, Any]) -> Iterator[FlagRemark]:
    if flag.get("setting_it") or _STOPS in _note(flag):
        message = f"Setting '--{name}' stops the program at start."
        remedy = f"Use {flag['deprecated']}." if flag.get("deprecated") else "Remove it."
        yield FlagRemark(code="LD1841", severity=Severity.ERROR, message=message, remedy=remedy, option=option)
    elif "deprecated" in flag:
        remedy = f"Use {flag['deprecated']}." if flag["deprecated"] else "Remove it."
        message = f"'--{name}' is deprecated."
        yield FlagRemark(code="LD1842", severity=Severity.NOTE, message=message, remedy=remedy, option=option)
    elif "feature disabled" in _note(flag):
        message = f"'--{name}' has no effect: the feature is switched off in this release."
        yield FlagRemark(code="LD1842", severity=Severity.WARNING, message=message, option=option)


def _note(flag: Mapping[str, Any]) -> str:
    return str(flag.get("note", "")).replace("using it stops the sidecar", _STOPS)


def _value(program: str, option: Option, name: str, flag: Mapping[str, Any]) -> Iterator[FlagRemark]:
    kind = flag["type"]
    if kind == "bool" and not option.joined:
        if option.words and option.words[0].text in _BOOLEANS:
            message = f"'--{name} {option.words[0].text}' sets it to true: the next word is not its value."
            remedy = f"Write --{name}={option.words[0].text}."
            yield FlagRemark(code="LD1844", severity=Severity.ERROR, message=message, remedy=remedy, option=option)
        return
    if option.opaque:
        return
    value = option.value
    wanted = "a value" if value is None else _wanted(value, name, kind, flag)
    if wanted:
        end = "The sidecar then logs an error and exits 0." if program == SIDECAR else "The EPP does not start."
        shown = "nothing" if value is None else f"'{value}'"
        message = f"'--{name}' wants {wanted}, not {shown}. {end}"
        remedy = nearest(value or "", tuple(flag.get("enum", ())))
        yield FlagRemark(code="LD1841", severity=Severity.ERROR, message=message, remedy=remedy, option=option)


def _wanted(value: str, name: str, kind: str, flag: Mapping[str, Any]) -> str:
    """What the flag takes, when `value` is not that; else an empty string."""
    enum = flag.get("enum")
    items = value.split(",") if kind in ("string-list", "int-list") else [value]
    if enum and value and not all(item in enum for item in items):
        return f"one of {', '.join(enum)}"
    if kind == "bool":
        return "" if value in _BOOLEANS else "true or false"
    if kind == "int" or name in _PORT_FLAGS:
        return "" if _INTEGER.fullmatch(value) else "a whole number"
    if kind == "int-list":
        good = len(items) <= 8 and all(item.strip().isdigit() and int(item) <= 65535 for item in items)
        return "" if good else "one to eight ports"
    if kind == "duration":
        return "" if seconds(value) is not None else "a duration such as 30s"
    return ""


def _pool(line: CommandLine, env: Collection[str]) -> Iterator[FlagRemark]:
    pool, selector = line.find("--pool-name"), line.find("--endpoint-selector")
    if pool and selector:
        message = "--pool-name and --endpoint-selector exclude each other: the EPP exits 1."
        yield FlagRemark(code="LD1843", severity=Severity.ERROR, message=message, remedy="Keep one.", option=selector)
    if not pool and not selector and line.complete:
        message = "Neither --pool-name nor --endpoint-selector is given: the EPP exits 1."
        yield FlagRemark(code="LD1843", severity=Severity.ERROR, message=message, remedy="Name the InferencePool.")
    if selector and line.complete:
        for missing, there in (
            ("--endpoint-target-ports", line.find("--endpoint-target-ports") is not None),
            ("the variable POD_NAME", "POD_NAME" in env),
        ):
            if not there:
                message = f"--endpoint-selector needs {missing}: the EPP exits 1."
                yield FlagRemark(code="LD1843", severity=Severity.ERROR, message=message, option=selector)


def _configuration(line: CommandLine) -> Iterator[FlagRemark]:
    text = line.find("--config-text")
    if text and line.find("--config-file"):
        message = "--config-file and --config-text exclude each other: the EPP exits 1."
        yield FlagRemark(code="LD1843", severity=Severity.ERROR, message=message, remedy="Keep one.", option=text)
