"""Does a pod get whole devices: MIG, time slicing, vGPU, partitions?"""

from __future__ import annotations

from typing import Final

from llmdctl.model.finding import Severity
from llmdctl.preflight.candidates import SHOWN, related, some
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.hardware import NVIDIA, READS, local
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, warned

_SHARED: Final = ("time-slicing", "mps")


def _sharing(case: Case) -> Verdict:
    nodes = [each for each in related(case) if each.device.resource in NVIDIA]
    if not nodes:
        return skipped("no node is concerned: none has NVIDIA GPUs")
    bad = [each for each in nodes if each.device.sharing in _SHARED]
    if not bad:
        return passed(f"Every GPU of {some(nodes)} belongs to one pod at a time.")
    wanted = max((each.count for each in case.servers), default=1)
    make = failed if wanted > 1 and len(bad) == len(nodes) else warned
    more = f"; a pod that wants {wanted} may get {wanted} times the same one" if wanted > 1 else ""
    return make(
        f"On {len(bad)} of {some(nodes)} one GPU serves several pods ({bad[0].device.sharing}){more}.",
        (
            each.saw(f"{each.device.sharing}, {each.device.count} {each.device.resource}", "whole GPUs")
            for each in bad[:SHOWN]
        ),
        "Turn sharing off for these nodes, or choose others: memory is not divided, and the engine takes most of it.",
    )


CHECKS: Final = (
    Check(
        code="LD0614",
        slug="mig",
        title="GPUs are whole, not MIG slices",
        severity=Severity.ERROR,
        rule=local(
            "LD0614",
            "Turn MIG off on nodes for model servers.",
            "$ kubectl label node NODE nvidia.com/mig.config=all-disabled --overwrite",
            good="No GPU is cut into MIG slices",
            of=NVIDIA,
        ),
        needs=READS,
        why="A MIG slice has a part of the memory and no NVLink: tensor parallelism over slices does not work."
        " With the single"
        " strategy nvidia.com/gpu counts slices; MIG-INVALID offers nothing at all.",
        remedy="Turn MIG off, or keep the recipe off these nodes.",
        sources=(
            "https://github.com/NVIDIA/k8s-device-plugin/blob/main/docs/gpu-feature-discovery/README.md",
            "https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/gpu-operator-mig.html",
        ),
    ),
    Check(
        code="LD0615",
        slug="gpu-sharing",
        title="A GPU serves one pod",
        severity=Severity.ERROR,
        rule=_sharing,
        needs=READS,
        why="Under time slicing and MPS nvidia.com/gpu counts shares. Shares of one GPU have one memory, of which"
        " an engine"
        " takes nine tenths.",
        remedy="Turn sharing off for these nodes.",
        sources=(
            "https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/gpu-sharing.html",
            "https://cloud.google.com/kubernetes-engine/docs/concepts/timesharing-gpus",
        ),
    ),
    Check(
        code="LD0616",
        slug="vgpu",
        title="GPUs are not virtual",
        severity=Severity.WARNING,
        rule=local(
            "LD0616",
            "Use nodes with passed-through GPUs.",
            good="No GPU is a virtual one",
            of=NVIDIA,
        ),
        needs=READS,
        why="A vGPU has a part of a card's memory, and most profiles offer neither peer-to-peer nor RDMA.",
        remedy="Use passthrough instead of vGPU.",
        sources=("https://docs.nvidia.com/vgpu/latest/grid-vgpu-user-guide/index.html",),
    ),
)
