"""Are there nodes with the accelerator that the recipe is made for?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.candidates import SHOWN, Candidate, Server, accelerated, is_nameless, may_be, some, together
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.hardware import READS, for_accelerators, for_servers
from llmdctl.preflight.nodeselection import refusal
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, unknown, warned

_ALL_TAINTS: Final = ({"operator": "Exists"},)
_GFD: Final = "https://github.com/NVIDIA/k8s-device-plugin/blob/main/docs/gpu-feature-discovery/README.md"


def _exist(case: Case, found: tuple[Server, ...]) -> Verdict:
    bad = [each for each in found if not each.usable]
    if not bad:
        return passed("; ".join(f"{each.role}: {some(each.usable)}" for each in found) + ".")
    first = bad[0]
    missed = _missed(case, first)
    why = _why_none(first)
    if missed:
        why += f"; {some(missed)} with {missed[0].device.product} are passed over: {_unmet(first, missed[0])}"
    return failed(
        f"No node for {first.role}: {why}.",
        (
            Evidence(object=first.template.identity, observed=_why_none(first), expected=_needs(first)),
            *(each.saw("not in service") for each in first.offering[:SHOWN]),
            *(each.saw(_unmet(first, each)) for each in missed[:SHOWN]),
        ),
        _way_out(case, missed),
        "$ kubectl get nodes -L node.kubernetes.io/instance-type,nvidia.com/gpu.product",
    )


def _missed(case: Case, server: Server) -> tuple[Candidate, ...]:
    """Nodes with the recipe's accelerator that the pod does not select."""
    wanted = case.recipe.facets.get("accelerator") if case.recipe else None
    if server.selected or not server.resource:
        return ()
    return tuple(each for each in accelerated(case) if each.device.count and each.device.facet == wanted)


def _unmet(server: Server, each: Candidate) -> str:
    spec = server.template.spec
    chosen_by = {key: spec[key] for key in ("nodeSelector", "affinity") if key in spec}
    return refusal(each.node, {**chosen_by, "tolerations": _ALL_TAINTS}) or "cordoned or not ready"


def _way_out(case: Case, missed: tuple[Candidate, ...]) -> str:
    platform, chosen = case.platform.name, case.recipe.facets.get("platform") if case.recipe else None
    if missed and platform not in ("generic", chosen):
        return f"This is {platform}, and the recipe is made for {chosen}: add --platform {platform}."
    if missed:
        return "Label the nodes, or choose them by a label that they have: modelserver.roleDefaults.nodeSelector."
    return "Add nodes with this accelerator, or uncordon those there are."


def _needs(server: Server) -> str:
    return f"{server.resource} on a node that the pod selects" if server.resource else "a node that the pod selects"


def _why_none(server: Server) -> str:
    if not server.selected:
        return "its node selector and affinity match none"
    if not server.offering:
        return f"none of the {some(server.selected)} that it selects has {server.resource} to give"
    return f"all {some(server.offering)} with {server.resource} are cordoned or not ready"


def _resolved(case: Case) -> Verdict:
    found = case.servers
    nodes = together(each for server in found for each in server.offering) if found else accelerated(case)
    nodes = tuple(each for each in nodes if each.device.count)
    if not nodes:
        return skipped("no node offers an accelerator")
    wanted = case.recipe.facets.get("accelerator") if case.recipe else None
    if wanted and is_nameless(case, wanted):
        return skipped(f"the facet {wanted} does not say how nodes name it: facts.identity")
    silent = [each for each in nodes if not each.device.facet and not _told(each, wanted)]
    if silent:
        return unknown(
            f"Nothing tells what the accelerators of {len(silent)} of {some(nodes)} are "
            f"({silent[0].device.resource}{_between(silent[0])}). Name the accelerator with --accelerator, or"
            " label the nodes.",
            (each.saw(f"{each.device.resource} {each.device.count}") for each in silent[:SHOWN]),
        )
    guessed = [each for each in nodes if not each.device.facet and each.device.candidates]
    if guessed:
        return warned(
            f"{len(guessed)} of {some(nodes)} say {guessed[0].device.product} only"
            f" ({_between(guessed[0])[2:]}): "
            f"taken for {wanted} on the word of the recipe.",
            (each.saw(f"{each.device.product} by {each.device.key}", str(wanted)) for each in guessed[:SHOWN]),
            "Label the nodes, or see to it that they have what the recipe says.",
        )
    names = Counter(f"{each.device.product or wanted} by {each.device.key or 'the recipe'}" for each in nodes)
    return passed("; ".join(f"{count} nodes {name}" for name, count in names.items()) + ".")


def _told(each: Candidate, wanted: str | None) -> bool:
    """A product without a facet is told; of several, the recipe's own choice is believed."""
    return bool(each.device.product and not each.device.candidates) or wanted in each.device.candidates


def _between(each: Candidate) -> str:
    return f": {' or '.join(each.device.candidates)}" if each.device.candidates else ""


def _allowed(case: Case, found: tuple[Server, ...]) -> Verdict:
    wanted = case.recipe.facets.get("accelerator") if case.recipe else None
    if not wanted:
        return skipped("no recipe says which accelerator it is made for")
    if is_nameless(case, wanted):
        return skipped(f"the facet {wanted} does not say how nodes name it: facts.identity")
    for server in found:
        if not server.offering:
            return _none_of(case, wanted)
        other = [each for each in server.usable if not may_be(each.device, wanted)]
        if other:
            said = Counter(each.device.product for each in other)
            text = ", ".join(f"{count} x {name}" for name, count in said.items())
            make = failed if len(other) == len(server.usable) else warned
            return make(
                f"{server.role} may land on {text}; the recipe is made for {wanted}.",
                (each.saw(each.device.product, wanted) for each in other[:SHOWN]),
                _instead(other, wanted),
            )
    silent = [each for server in found for each in server.usable if not each.device.product]
    if silent:
        return unknown(f"{some(silent)} do not say what they have, see LD0602.", ())
    return passed(f"Every node that the recipe selects has {wanted}.")


def _none_of(case: Case, wanted: str) -> Verdict:
    """No node offers what is asked for: what there is instead."""
    there = [each for each in accelerated(case) if each.device.product]
    others = [each for each in there if not may_be(each.device, wanted)]
    if not others or len(others) < len(there):
        return skipped("no node is a candidate, see LD0601")
    said = Counter(each.device.product for each in others)
    return failed(
        f"The recipe is made for {wanted}; the cluster has "
        + ", ".join(f"{n} x {name}" for name, n in said.items())
        + ".",
        (each.saw(each.device.product, wanted) for each in others[:SHOWN]),
        _instead(others, wanted),
    )


def _instead(others: Iterable[Candidate], wanted: str) -> str:
    facets = sorted({each.device.facet for each in others if each.device.facet and each.device.facet != wanted})
    if facets:
        return "Choose the accelerator that is there: --accelerator " + " or ".join(facets) + "."
    return "Choose the nodes with modelserver.roleDefaults.nodeSelector, or add nodes with the accelerator."


CHECKS: Final = (
    Check(
        code="LD0601",
        slug="candidate-nodes",
        title="Nodes exist that the pods can go to",
        severity=Severity.ERROR,
        rule=for_servers(_exist),
        needs=READS,
        why="A pod waits for ever when no node matches its selector, offers its resource and is in service.",
        remedy="Add nodes, uncordon them, or change the node selector.",
        sources=("https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/",),
    ),
    Check(
        code="LD0602",
        slug="accelerator-identity",
        title="What the accelerators are is known",
        severity=Severity.ERROR,
        rule=_resolved,
        needs=READS,
        why="Whether a model fits, and which kernels run, follows from the product. It is read from labels and"
        " ResourceSlices"
        " in the order of their worth; a number in a product's name is never taken for gigabytes.",
        remedy="Install GPU feature discovery (or the vendor's node labeller), or choose the accelerator with"
        " --accelerator.",
        sources=(_GFD,),
    ),
    Check(
        code="LD0603",
        slug="accelerator-allowed",
        title="The accelerators are those the recipe is made for",
        severity=Severity.ERROR,
        rule=for_accelerators(_allowed),
        needs=READS,
        why="Flags, parallelism and images of a recipe are chosen for one accelerator; on another it may not start.",
        remedy="Choose the facet of what is there with --accelerator.",
        sources=(_GFD,),
    ),
)
