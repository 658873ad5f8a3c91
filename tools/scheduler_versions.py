"""guides/scheduler-versions.md, what each version of the endpoint picker has, from charts/scheduler/dialects."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from page_folder import keep_page

from llmdctl import assets

GUIDE = assets.charts().parent / "guides" / "scheduler-versions.md"
VERSIONS = ("0.7", "0.9", "0.10")
Dialects = Mapping[str, Mapping[str, Any]]

INTRO = """\
# What each endpoint picker has

<!-- Written by tools/scheduler_versions.py (make update) from charts/scheduler/dialects. -->

Routing is described once, in the words of the scheduler chart. `global.llmd.eppVersion` says for which endpoint picker
it is written down; what that one lacks is refused by path, and the message names a version that has it. llmdctl brings
the images that belong to it; with Helm alone set them too (`scheduler.image`, `modelserver.routingSidecar.image`):

    llmdctl render optimized-baseline --set global.llmd.eppVersion=0.10

0.9 is the default. Entries of 0.7 and 0.9 were seen with the started programs; those of 0.10 with a build five days
younger, compared with the tag's source.
"""
FEATURES = {
    "precise-prefix-index": "prefix index from the engines' KV cache events (`prefixCache.source: precise`)",
    "prefix-tiers": "further tiers of KV cache (`prefixCache.tiers`)",
    "predicted-latency": "routing by predicted latency (`predictedLatency`)",
    "flow-control": "requests wait by priority (`flowControl`)",
    "quantities": "byte limits such as `1Gi`; otherwise plain numbers",
    "request-limits": "limits in requests (`flowControl.maxRequests`, also of a band)",
    "negative-band": "a band for negative priorities (`flowControl.negativeBand`)",
    "concurrency-detector": "a full pool by what is in flight (`flowControl.maxConcurrency`, `.maxTokenConcurrency`)",
    "hybrid-concurrency": "both of them at once",
    "utilization-detector": "headroom above the thresholds (`flowControl.headroom`)",
    "no-endpoint-ttl": "a wait of its own while there is no pod (`flowControl.noEndpointTtlSeconds`)",
    "eviction": "running requests of low priority end for higher ones (`flowControl.eviction`)",
    "saturation-metric": "a metric of how full the pool is (autoscaler `keda-saturation`)",
    "grpc-sizes": "limits of gRPC messages as flags",
}
TABLES = {
    "scorers": "Scorers",
    "filters": "Filters",
    "pickers": "Pickers",
    "deciders": "Deciders of `handler: disaggregated`",
    "fairness": "Fairness between tenants",
    "ordering": "Order within a tenant",
    "engines": "Engines whose metrics are known",
}


def dialects() -> Dialects:
    """Version -> its table."""
    folder = assets.charts() / "scheduler" / "dialects"
    return {version: yaml.safe_load((folder / f"{version}.yaml").read_text(encoding="utf-8")) for version in VERSIONS}


def guide(tables: Dialects) -> str:
    """The whole page."""
    return "\n".join([INTRO, *images(tables), *features(tables), *named(tables), *parameters(tables), *flags(tables)])


def images(tables: Dialects) -> Iterator[str]:
    """Where each version comes from."""
    yield from head("", "image", "kind of its objectives")
    for version, table in tables.items():
        yield f"| {version} | `ghcr.io/{table['image']}` | `{table['objectives']['apiVersion']}` |"
    yield ""


def features(tables: Dialects) -> Iterator[str]:
    """What can be done at all. Raises KeyError for a feature that this page does not explain."""
    yield "## What can be done\n"
    yield from head("", *VERSIONS)
    for feature in tables[VERSIONS[-1]]["features"]:
        yield row(FEATURES[feature], (tables[version]["features"][feature] for version in VERSIONS))
    yield ""


def named(tables: Dialects) -> Iterator[str]:
    """Every word of the chart, and which versions know it."""
    for key, title in TABLES.items():
        yield f"## {title}\n"
        yield from head("", *VERSIONS)
        for name in sorted({name for table in tables.values() for name in table[key]}):
            yield row(f"`{name}`", (said(tables[version], key, name) for version in VERSIONS))
        yield ""


def said(table: Mapping[str, Any], key: str, name: str) -> bool | str:
    """Whether a version knows the word, or with what leave."""
    entry = table[key].get(name)
    if entry is None:
        return False
    kind = entry["type"] if isinstance(entry, Mapping) else entry
    return "experimental" if kind in table["alpha"] else True


def parameters(tables: Dialects) -> Iterator[str]:
    """Parameters that not every version reads, of words that several versions know."""
    yield "## Parameters that differ\n"
    yield from head("", *VERSIONS)
    for key in ("scorers", "filters"):
        for name in sorted({name for table in tables.values() for name in table[key]}):
            known = {version: table[key][name]["parameters"] for version, table in tables.items() if name in table[key]}
            for parameter in sorted({parameter for given in known.values() for parameter in given}):
                reads = [parameter in known.get(version, ()) for version in VERSIONS]
                if not all(read for version, read in zip(VERSIONS, reads, strict=True) if version in known):
                    yield row(f"`{name}`: `{parameter}`", reads)
    yield ""


def flags(tables: Dialects) -> Iterator[str]:
    """Flags under `scheduler.flags` that not every version has."""
    yield "## Flags that differ\n"
    yield from head("", *VERSIONS)
    every = {flag for table in tables.values() for flag in table["flags"]}
    for flag in sorted(every):
        has = [flag in tables[version]["flags"] for version in VERSIONS]
        if not all(has):
            yield row(f"`{flag}`", has)
    yield "\n`allow-experimental-plugins` of 0.10 is set by the chart where an experimental plugin is declared."
    yield "\n## What else changes\n"
    yield from (
        "- 0.7 counts the longest prefix in blocks, the others in tokens; the chart divides. From 0.9 on a block of",
        "  the approximate index has at least 64 tokens.",
        "- `flowControl.requestTtlSeconds: 0` is no limit everywhere; 0.10 would take silence for 60 s, so it is said.",
        "  A band without `maxRequests` has none, and 5000 with 0.10.",
        "- A precise prefix index gets its tokens from a service, with 0.7 from a container `tokenizer` in the EPP's",
        "  pod. The image of 0.7.1 reads the KV cache events of SGLang and of vLLM up to 0.23; 0.24 writes others.",
        "- 0.7 reads other engines than vLLM only through its data layer, which the chart switches on for them.",
        "",
    )


def head(*titles: str) -> Iterator[str]:
    """The first two lines of a table; all columns but the first are marks."""
    yield "| " + " | ".join(titles) + " |"
    yield "|---|" + ":-:|" * (len(titles) - 1)


def row(title: str, marks: Any) -> str:  # noqa: ANN401  any iterable of bool or text
    """One line of a table."""
    return (
        f"| {title} | " + " | ".join(mark if isinstance(mark, str) else "yes" if mark else "-" for mark in marks) + " |"
    )


if __name__ == "__main__":
    sys.exit(keep_page(GUIDE, guide(dialects()), __doc__))
