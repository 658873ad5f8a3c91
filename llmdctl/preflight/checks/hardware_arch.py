"""Do the nodes run the processors that the images are built for?"""

from __future__ import annotations

from typing import Final

from llmdctl.model.finding import Severity
from llmdctl.preflight.candidates import SHOWN, Candidate, Server
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.hardware import READS, for_servers, suits
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, warned

_ARCH: Final = "kubernetes.io/arch"


def _architecture(case: Case, found: tuple[Server, ...]) -> Verdict:
    if case.recipe is None:
        return skipped("no recipe says which processors its image is built for")
    wanted = str(case.recipe.facts["accelerator"].get("arch", "amd64"))
    for server in found:
        own = server.usable
        other = [each for each in own if _arch(each) not in ("", wanted)]
        if other:
            make = failed if len(other) == len(own) else warned
            return make(
                f"{len(other)} of {len(own)} candidate nodes of {server.role} are {_arch(other[0])}; its image is"
                f" for {wanted}.",
                (each.saw(_arch(each), wanted) for each in other[:SHOWN]),
                f"Choose an image that is built for {_arch(other[0])}, or nodes of {wanted}.",
            )
    return suits(found, wanted)


def _arch(each: Candidate) -> str:
    return each.node.info.get("architecture") or each.node.labels.get(_ARCH, "")


def _arch_taint(_: Case, found: tuple[Server, ...]) -> Verdict:
    tainted = False
    for server in found:
        tolerations = server.template.spec.get("tolerations")
        own = [(each, taint) for each in server.usable for taint in each.node.repelling if taint.key == _ARCH]
        tainted = tainted or bool(own)
        closed = [each for each, taint in own if not taint.tolerated(tolerations)]
        if closed:
            make = failed if len(closed) == len(server.usable) else warned
            return make(
                f"{len(closed)} of {len(server.usable)} candidate nodes keep pods of {server.role} away by a taint"
                f" {_ARCH}.",
                (each.saw(f"taint {_ARCH}", "a toleration") for each in closed[:SHOWN]),
                "Add a toleration: modelserver.roleDefaults.tolerations.arm64="
                "{key: kubernetes.io/arch, operator: Exists, effect: NoSchedule}.",
            )
    return (
        passed("The taints of the architecture are tolerated.") if tainted else passed("No candidate is tainted by it.")
    )


CHECKS: Final = (
    Check(
        code="LD0629",
        slug="architecture",
        title="The nodes run the processors that the image is built for",
        severity=Severity.ERROR,
        rule=for_servers(_architecture),
        needs=READS,
        why="GB200, GB300 and GH200 have ARM hosts: an image for amd64 ends there with `exec format error`.",
        remedy="Choose the image for the architecture.",
        sources=(
            "https://github.com/llm-d/llm-d/tree/main/guides/wide-ep-lws",
            "https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-arch",
        ),
    ),
    Check(
        code="LD0630",
        slug="architecture-taint",
        title="A taint of the architecture is tolerated",
        severity=Severity.ERROR,
        rule=for_servers(_arch_taint),
        needs=READS,
        why="Clouds taint ARM nodes with kubernetes.io/arch=arm64, so that images for amd64 do not land there.",
        remedy="Add the toleration.",
        sources=("https://cloud.google.com/kubernetes-engine/docs/how-to/prepare-arm-workloads-for-deployment",),
    ),
)
