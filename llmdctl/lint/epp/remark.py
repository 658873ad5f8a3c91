"""One remark about a configuration of the endpoint picker, and every kind of remark that there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from llmdctl.lint.rule import Code, codes
from llmdctl.model.finding import Severity

Place: TypeAlias = tuple[str | int, ...]

_E, _W, _N, _U = Severity.ERROR, Severity.WARNING, Severity.NOTE, Severity.UNKNOWN
_ROUTER: Final = "Seen with built binaries of https://github.com/llm-d/llm-d-router"

CODES: Final[Mapping[str, Code]] = codes(
    (
        "LD1801",
        "EPP configuration cannot be read",
        _E,
        f"The endpoint picker exits 1 at start. {_ROUTER}.",
    ),
    (
        "LD1802",
        "Part of the EPP configuration is ignored",
        _W,
        f"An empty file means the built-in default profile, and a second document is never read. {_ROUTER}.",
    ),
    (
        "LD1803",
        "Wrong apiVersion or kind",
        _E,
        f"Each release knows its own API versions and exits 1 for any other. {_ROUTER}.",
    ),
    (
        "LD1804",
        "Unknown field",
        _E,
        f"The configuration is decoded strictly: an unknown field ends the start with exit code 1. {_ROUTER}.",
    ),
    (
        "LD1805",
        "Value that the field does not take",
        _E,
        f"A wrong type or a value out of range ends the start with exit code 1. {_ROUTER}.",
    ),
    (
        "LD1806",
        "Unknown plugin type",
        _E,
        f"A type that the release does not register ends the start with exit code 1 ('is not registered'). {_ROUTER}.",
    ),
    (
        "LD1807",
        "Deprecated plugin or field",
        _N,
        f"Still accepted; the release names what replaces it. {_ROUTER}.",
    ),
    (
        "LD1808",
        "Alpha plugin without the flag",
        _E,
        f"From 0.10 on an alpha plugin needs --allow-experimental-plugins, even when no profile names it. {_ROUTER}.",
    ),
    (
        "LD1809",
        "Unknown parameter",
        _E,
        "0.7 ignores it for every plugin; later releases exit 1 for each plugin that reads parameters and "
        "ignore it for the others. "
        f"{_ROUTER}.",
    ),
    (
        "LD1810",
        "Wrong parameter",
        _E,
        f"The plugin is not created ('failed to create plugin') and the start ends with exit code 1. {_ROUTER}.",
    ),
    (
        "LD1811",
        "Parameters that do not fit together",
        _E,
        f"Something required is missing, or two forms exclude each other. {_ROUTER}.",
    ),
    (
        "LD1812",
        "Value silently replaced or ignored",
        _W,
        f"The start succeeds, but with another value than the one written. {_ROUTER}.",
    ),
    (
        "LD1813",
        "Reference to nothing",
        _E,
        f"A name that no declared plugin has ends the start with exit code 1. {_ROUTER}.",
    ),
    (
        "LD1814",
        "Plugin declared too late",
        _E,
        "0.7 and 0.9 create plugins in the order of the list; a decider must stand before the handler that "
        "names it. "
        f"{_ROUTER}.",
    ),
    (
        "LD1815",
        "Reference to a plugin of another kind",
        _E,
        f"The start ends with exit code 1. {_ROUTER}.",
    ),
    (
        "LD1816",
        "Producer missing",
        _E,
        f"A plugin needs data that nothing produces ('no default producer found'). {_ROUTER}.",
    ),
    (
        "LD1817",
        "Plugin without effect beside a default one",
        _W,
        "A plugin under its own name that nobody names is left alone, and one with default settings acts in "
        "its place. "
        f"{_ROUTER}.",
    ),
    (
        "LD1818",
        "Plugin names",
        _E,
        f"A name must be unique, and a plugin needs a type. {_ROUTER}.",
    ),
    (
        "LD1819",
        "Profiles, handlers and pickers do not fit",
        _E,
        f"Several profiles need one handler that can choose; a profile has one picker. {_ROUTER}.",
    ),
    (
        "LD1820",
        "Nothing scores",
        _W,
        f"Without a scorer the choice among endpoints is arbitrary. {_ROUTER}.",
    ),
    (
        "LD1821",
        "Weight without the effect that one expects",
        _W,
        f"Negative and zero weights are taken as they are; a weight on anything but a scorer does nothing. {_ROUTER}.",
    ),
    (
        "LD1822",
        "Plugin twice in one profile",
        _W,
        f"Both entries run. {_ROUTER}.",
    ),
    (
        "LD1823",
        "Plugin without effect",
        _W,
        f"It is declared or named where nothing uses it. {_ROUTER}.",
    ),
    (
        "LD1824",
        "Profile of a disaggregated handler missing",
        _E,
        f"Found only when a request comes, which then fails or is never split. {_ROUTER}.",
    ),
    (
        "LD1825",
        "Feature gate",
        _E,
        f"An unknown gate ends the start with exit code 1; names are case-sensitive. {_ROUTER}.",
    ),
    (
        "LD1826",
        "Flow control is off",
        _W,
        "A flowControl section has no effect without the feature gate flowControl and its references are not "
        "checked. "
        f"{_ROUTER}.",
    ),
    (
        "LD1827",
        "Flow control that cannot be",
        _E,
        f"Two bands of one priority, or a negative limit. {_ROUTER}.",
    ),
    (
        "LD1828",
        "Data layer that cannot be",
        _E,
        f"Metrics have no source. {_ROUTER}.",
    ),
    (
        "LD1829",
        "Precise prefix index on estimated tokens",
        _W,
        "Without a token-producer that asks a tokenizer the tokens are estimated, and their block hashes "
        "never match the engine's. "
        f"{_ROUTER}.",
    ),
    (
        "LD1830",
        "Verdict depends on the exact release",
        _U,
        f"The data of 0.10 was taken from a later commit; where v0.10.0 differs nobody has tried it. {_ROUTER}.",
    ),
    (
        "LD1831",
        "No data for this release of the endpoint picker",
        _N,
        "The nearest release with data is used instead.",
    ),
    (
        "LD1833",
        "Prefill is never split off",
        _W,
        "Everything starts, and every request is prefilled where it is decoded. Read in the source of "
        "https://github.com/llm-d/llm-d-router (prefix_based_pd_decider.go, disagg_headers_handler.go).",
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """What is wrong at one place of a configuration; `path` leads there from its top."""

    code: str  # of CODES
    path: Place
    message: str  # a sentence
    remedy: str = ""  # a sentence
    severity: Severity

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR


def remark(code: str, path: Place, message: str, remedy: str = "", *, severity: Severity | None = None) -> Remark:
    """A remark with the usual severity of its code, or with another one."""
    return Remark(code=code, path=path, message=message, remedy=remedy, severity=severity or CODES[code].severity)


def nearest(name: str, valid: frozenset[str] | Mapping[str, object] | tuple[str, ...]) -> str:
    """A sentence with the most similar name, or an empty one."""
    from difflib import get_close_matches

    plain = {choice.lower().replace("_", "-"): choice for choice in valid}
    found = get_close_matches(name.lower().replace("_", "-"), plain, n=1, cutoff=0.6)
    return f"Did you mean '{plain[found[0]]}'?" if found else ""
