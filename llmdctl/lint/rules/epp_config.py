"""EndpointPickerConfig: every one that an EPP among the manifests reads, and every other one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from llmdctl.lint.epp import CODES as _CONFIG_CODES
from llmdctl.lint.epp import Verdict, check_value, nearest_version
from llmdctl.lint.epp import check as check_text
from llmdctl.lint.epp.catalogue import catalogue
from llmdctl.lint.manifest import Manifest
from llmdctl.lint.rule import Code, codes
from llmdctl.lint.world import Epp, EppConfig, World
from llmdctl.model.finding import Finding, Severity

CODES: Final[Mapping[str, Code]] = {
    **_CONFIG_CODES,
    **codes(
        (
            "LD1832",
            "Configuration of the endpoint picker not among the manifests",
            Severity.UNKNOWN,
            "Without it nothing can be said about plugins and profiles; without any it uses a built-in profile. "
            "Seen with built binaries of https://github.com/llm-d/llm-d-router.",
        )
    ),
}

# What depends most on the release: less sure where there is no data of the very one.
_BY_RELEASE: Final = frozenset({"LD1803", "LD1804", "LD1806", "LD1809", "LD1810", "LD1825"})


def check(world: World) -> Iterator[Finding]:
    """Each configuration by the release of each EPP that reads it; one that nobody reads, by what was given."""
    read: set[tuple[str, tuple[str | int, ...]]] = set()
    for epp in world.epps:
        if epp.config is None:
            yield from _missing(epp)
            continue
        read.add((epp.config.source.identity, epp.config.source.prefix))
        inline = epp.line.find("--config-text")
        text = inline.value if inline and epp.config.source.prefix[:1] != ("data",) else None
        yield from _judged(epp.config, judged_as(epp), _allows_alpha(epp), text)
    for config in world.epp_configs:
        if (config.source.identity, config.source.prefix) not in read:
            yield from _judged(config, nearest_version(world.versions.epp), None)


def judged_as(epp: Epp) -> tuple[str, bool]:
    """The version to judge an EPP by, and whether it is its own.

    Releases 1.x are those of gateway-api-inference-extension, from which 0.7 of llm-d was built (v1.4.0).
    """
    if not epp.version_given and epp.version and int(epp.version.split(".")[0]) >= 1:
        return "0.7", False
    return nearest_version(epp.version)


def _judged(
    config: EppConfig, judged: tuple[str, bool], allow_alpha: bool | None, inline: str | None = None
) -> Iterator[Finding]:
    """`inline` is the text where it is only a part of what stands at the source's place."""
    version, exact = judged
    source = config.source
    if source.outer is None:
        verdict = check_value(source.value, version, allow_alpha=allow_alpha)
    else:
        text = source.outer.text(*source.prefix) if inline is None else inline
        verdict = check_text(text, version, allow_alpha=allow_alpha)
        source = _placed(source, verdict if inline is None else None)
    for item in verdict.remarks:
        severity = item.severity
        if not exact and item.is_error and item.code in _BY_RELEASE:
            severity = Severity.WARNING
        yield source.finding(CODES[item.code], item.path, item.message, item.remedy, severity=severity)
    if not exact:
        message = f"There is no data for this release of the EPP; {catalogue(version).release} was used instead."
        remedy = "Say which one it is with --epp-version, or give the image a release as its tag."
        yield source.finding(CODES["LD1831"], (), message, remedy)


def _placed(source: Manifest, verdict: Verdict | None) -> Manifest:
    """The text inside an object with the nodes of its own reading: it may be what others cannot read."""
    outer = source.outer
    has_lines = outer is not None and outer.node is not None
    return Manifest(
        value=source.value,
        file=source.file,
        node=verdict.node if verdict and has_lines else None,
        first_line=source.first_line,
        outer=outer,
        prefix=source.prefix,
    )


def _missing(epp: Epp) -> Iterator[Finding]:
    container = epp.container
    if "no --config-file" in epp.config_missing:
        if epp.line.complete:
            message = "The EPP is given no configuration and uses its built-in profile."
            yield container.finding(CODES["LD1832"], ("args",), message, severity=Severity.NOTE)
        return
    absent = "has no key" in epp.config_missing
    message = f"The EPP's configuration cannot be judged: {epp.config_missing}."
    severity = Severity.ERROR if absent else Severity.UNKNOWN
    yield container.finding(CODES["LD1832"], ("args",), message, "Lint it together with the EPP.", severity=severity)


def _allows_alpha(epp: Epp) -> bool | None:
    option = epp.line.find("--allow-experimental-plugins")
    if option is None:
        return False if epp.line.complete else None
    if option.opaque:
        return None
    return not option.joined or option.stated not in ("false", "False", "FALSE", "f", "F", "0")
