"""What AMD and Intel nodes have of their own: partitions, names, aliases, memory that nobody publishes."""

from __future__ import annotations

import re
from typing import Final

from llmdctl.model.finding import Severity
from llmdctl.preflight.candidates import SHOWN, may_be, related, some
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.hardware import READS, concerns, local, names
from llmdctl.preflight.slices import by_node
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, unknown, warned

_AMD: Final = ("amd.com/gpu", "gpu.amd.com")
_INTEL: Final = ("gpu.intel.com/xe", "gpu.intel.com/i915")
_GAUDI: Final = ("habana.ai/gaudi", "gaudi.intel.com")
_PARTITION: Final = re.compile(r"amd\.com/([sdqc]px_nps[1248])")
_NAMES: Final = ("amd.com/gpu.product-name", "beta.amd.com/gpu.product-name")
_LABELLER: Final = "https://github.com/ROCm/k8s-device-plugin/tree/master/cmd/k8s-node-labeller"
_PARTITIONS: Final = (
    "https://instinct.docs.amd.com/projects/gpu-operator/en/latest/dcm/applying-partition-profiles.html"
)
_INTEL_DRA: Final = "https://github.com/intel/intel-resource-drivers-for-kubernetes/blob/main/doc/gpu/USAGE.md"
_GAUDI_DRA: Final = "https://github.com/intel/intel-resource-drivers-for-kubernetes/blob/main/doc/gaudi/USAGE.md"
_INTEL_PLUGIN: Final = "https://github.com/intel/intel-device-plugins-for-kubernetes/blob/main/cmd/gpu_plugin/README.md"


def _whole_cards(case: Case) -> Verdict:
    if not concerns(case, _AMD):
        return skipped("the recipe asks for no AMD GPU")
    if not any(each.device.resource in _AMD for each in related(case)):
        return skipped("no node has AMD GPUs")
    return local(
        "LD0631",
        "Set the partition profile to SPX/NPS1 on nodes for model servers.",
        good="amd.com/gpu counts whole cards",
    )(case)


def _uniform_names(case: Case) -> Verdict:
    if not concerns(case, _AMD):
        return skipped("the recipe asks for no AMD GPU")
    amd = [each for each in case.hosts if any(name.startswith("amd.com/") for name in each.node.allocatable)]
    if not amd:
        return skipped("no node has AMD GPUs")
    parted = [
        (each, sorted(name for name, n in each.node.allocatable.items() if n and _PARTITION.fullmatch(name)))
        for each in amd
    ]
    bad = [(each, found) for each, found in parted if found and not each.node.allocatable.get("amd.com/gpu")]
    if not bad:
        return passed(f"{len(amd)} AMD nodes offer amd.com/gpu.")
    return failed(
        f"{len(bad)} of {len(amd)} AMD nodes offer {', '.join(bad[0][1])} and no amd.com/gpu.",
        (each.saw(", ".join(found), "amd.com/gpu") for each, found in bad[:SHOWN]),
        "Run the device plugin with resource_naming_strategy=single, or set"
        " modelserver.roleDefaults.accelerator.resource.",
    )


def _named(case: Case) -> Verdict:
    if not concerns(case, _AMD):
        return skipped("the recipe asks for no AMD GPU")
    amd = [each for each in related(case) if each.device.resource == "amd.com/gpu" and each.device.count]
    if not amd:
        return skipped("no node has AMD GPUs")
    silent = [each for each in amd if not any(name in each.node.labels for name in _NAMES)]
    if silent:
        return passed(
            f"{len(silent)} of {len(amd)} AMD nodes carry no product name; the device id tells it "
            f"({silent[0].device.product or 'not known'} by {silent[0].device.key or 'nothing'}).",
            (
                each.saw(f"{each.device.product or 'unknown'} by {each.device.key or 'nothing'}")
                for each in silent[:SHOWN]
            ),
        )
    return passed(f"{len(amd)} AMD nodes carry their product's name.")


def _one_name(case: Case) -> Verdict:
    if not concerns(case, (*_INTEL, "gpu.intel.com")):
        return skipped("the recipe asks for no Intel GPU")
    intel = [each for each in case.hosts if any(each.node.allocatable.get(name) for name in _INTEL)]
    if not intel:
        return skipped("no node has Intel GPUs by the device plugin")
    both = [each for each in intel if all(each.node.allocatable.get(name) for name in _INTEL)]
    if not both:
        return passed(f"{len(intel)} Intel nodes offer their GPUs under one name.")
    return warned(
        f"{len(both)} of {some(intel)} offer gpu.intel.com/i915 and gpu.intel.com/xe: "
        "if they are the same cards, they may be given out twice. Only xe is counted here.",
        (each.saw("i915 and xe") for each in both[:SHOWN]),
        "Ask for gpu.intel.com/xe in every workload of these nodes.",
    )


def _memory_published(case: Case) -> Verdict:
    if not concerns(case, (*_INTEL, "gpu.intel.com")):
        return skipped("the recipe asks for no Intel GPU")
    if not any(each.device.resource == "gpu.intel.com" for each in case.hosts):
        return skipped("no node publishes Intel GPUs by DRA")
    return local(
        "LD0635",
        "Run Intel XPU Manager on the nodes, or the driver privileged: they fill in the memory.",
        good="The slices say how much memory a card has",
        every_node=True,
    )(case)


def _gaudi(case: Case) -> Verdict:
    if not concerns(case, _GAUDI):
        return skipped("the recipe asks for no Gaudi")
    wanted = case.recipe.facets.get("accelerator") if case.recipe else None
    nodes = [each for each in case.hosts if each.device.resource in _GAUDI and each.device.count]
    if not nodes:
        return skipped("no node has Gaudi accelerators")
    published = by_node(case.section("resource-slices"))
    ill = [
        each
        for each in nodes
        if any(d.attributes.get("healthy") is False for d in published.get(each.node.name, ()) if d.driver in _GAUDI)
    ]
    if ill:
        make = failed if len(ill) == len(nodes) else warned
        return make(
            f"{len(ill)} of {len(nodes)} Gaudi nodes publish a device that is not healthy.",
            (each.saw("healthy: false", "healthy: true") for each in ill[:SHOWN]),
            "Drain the node and have the card replaced.",
        )
    if wanted in ("gaudi2", "gaudi3"):
        other = [each for each in nodes if not may_be(each.device, wanted)]
        if other:
            make = failed if len(other) == len(nodes) else warned
            return make(
                f"The recipe is made for {wanted}; {len(other)} of {some(nodes)} have {other[0].device.product}.",
                (each.saw(each.device.product, wanted) for each in other[:SHOWN]),
                f"Choose --accelerator {other[0].device.facet}.",
            )
    silent = [each for each in nodes if not each.device.facet]
    if silent:
        return unknown(
            f"{len(silent)} of {some(nodes)} do not say which generation of Gaudi they have ({names(silent)})."
        )
    return passed(f"{some(nodes)} have {nodes[0].device.product}, all healthy.")


CHECKS: Final = (
    Check(
        code="LD0631",
        slug="amd-partition",
        title="AMD GPUs are whole cards",
        severity=Severity.ERROR,
        rule=_whole_cards,
        needs=READS,
        why="In the modes DPX, QPX and CPX amd.com/gpu counts partitions of a card, each with a part of its memory.",
        remedy="Set the profile SPX/NPS1.",
        sources=(_PARTITIONS, _LABELLER),
    ),
    Check(
        code="LD0632",
        slug="amd-resource-names",
        title="AMD GPUs are offered as amd.com/gpu",
        severity=Severity.WARNING,
        rule=_uniform_names,
        needs=READS,
        why="With the mixed naming strategy the device plugin offers amd.com/cpx_nps4 and the like; pods that ask"
        " for amd.com/gpu"
        " find nothing.",
        remedy="Use the single naming strategy.",
        sources=("https://github.com/ROCm/k8s-device-plugin/blob/master/docs/user-guide/resource-allocation.md",),
    ),
    Check(
        code="LD0633",
        slug="amd-product-name",
        title="AMD nodes tell their product",
        severity=Severity.NOTE,
        rule=_named,
        needs=READS,
        why="Older labellers write no product name; the PCI device id is then what tells it.",
        remedy="Nothing is to be done while the device id is known.",
        sources=(_LABELLER, "https://github.com/ROCm/k8s-device-plugin/issues/112"),
    ),
    Check(
        code="LD0634",
        slug="intel-aliases",
        title="Intel GPUs are offered under one name",
        severity=Severity.ERROR,
        rule=_one_name,
        needs=READS,
        why="gpu.intel.com/i915 and gpu.intel.com/xe are named after kernel drivers; both at once may count the"
        " same cards, and"
        " must not be added up.",
        remedy="Ask for one of the two everywhere.",
        sources=(_INTEL_PLUGIN,),
    ),
    Check(
        code="LD0635",
        slug="intel-dra-memory",
        title="Intel's ResourceSlices say how much memory a card has",
        severity=Severity.WARNING,
        rule=_memory_published,
        needs=READS,
        why="Without XPU Manager or privileges Intel's driver publishes a memory of 0: claims that choose by"
        " memory match no card.",
        remedy="Deploy XPU Manager.",
        sources=(_INTEL_DRA,),
    ),
    Check(
        code="LD0636",
        slug="gaudi-model",
        title="The Gaudi accelerators are those the recipe is made for",
        severity=Severity.ERROR,
        rule=_gaudi,
        needs=READS,
        why="The device plugin counts habana.ai/gaudi for every generation; only Intel's DRA driver tells Gaudi 2"
        " from Gaudi 3"
        " and whether a card is healthy.",
        remedy="Choose the accelerator that is there.",
        sources=(_GAUDI_DRA,),
    ),
)
