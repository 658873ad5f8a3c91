"""One report with everything that a way of writing it must survive."""

from __future__ import annotations

from llmdctl.model.check import (
    CheckResult,
    Evidence,
    NodeSummary,
    Outcome,
    PlacedPod,
    Placement,
    Platform,
    PreflightReport,
    RolePlacement,
    SectionSummary,
)

HOSTILE = "<script>alert('x')</script> [/bold] | `tick` :warning: \x07 & \"quoted\""
"""What a cluster may call its things: markup of every form that a report has, and a character that XML cannot hold."""


def result(code: str, outcome: Outcome, message: str, *, category: str = "hardware", **more: object) -> CheckResult:
    return CheckResult(
        code=code, slug=f"check-{code.lower()}", title=f"Title of {code}", category=category, outcome=outcome,
        message=message, doc=f"guides/checks/{code}.md", **more,  # type: ignore[arg-type]
    )  # fmt: skip


def node(name: str, *, allocatable: int = 8, free: int | None = 3) -> NodeSummary:
    return NodeSummary(
        name=name, accelerator="h200", product="H200", key="nvidia.com/gpu.product", memory_mib=143771,
        memory_source="nvidia.com/gpu.memory", resource="nvidia.com/gpu", allocatable=allocatable,
        requested=allocatable - (free or 0), free=free, rdma={"rdma/ib": "1k"}, schedulable=True, findings=("LD0604",),
    )  # fmt: skip


RESULTS = (
    result(
        "LD0604", Outcome.FAIL, f"0 of 2 nodes offer 8: {HOSTILE}",
        evidence=(Evidence(object="Node//a", observed=HOSTILE, expected="8"), Evidence(object="Node//b", observed="4")),
        remedy=("Use fewer.", "$ kubectl apply -f - <<'YAML'\nkind: X\n  a: 1\nYAML", "$ kubectl get nodes -o wide"),
        needs=("nodes",),
    ),
    result("LD0606", Outcome.WARN, "Two products.", remedy=("Select one.",)),
    result("LD0611", Outcome.UNKNOWN, "nodes: forbidden: cannot list"),
    result("LD0612", Outcome.UNKNOWN, "nodes: forbidden: cannot list"),
    result("LD0801", Outcome.PASS, "All fit.", category="capacity"),
    result("LD1402", Outcome.SKIP, "nothing scales", category="autoscaling"),
)  # fmt: skip
REPORT = PreflightReport(
    recipe="pd-disaggregation",
    facets={"model": "gpt-oss-120b", "accelerator": "h200", "engine": "vllm", "platform": "generic"},
    release="pd",
    namespace="llm",
    server="https://203.0.113.10",
    version="v1.34.4",
    captured_at="2026-11-22T00:00:00Z",
    platform=Platform(name="gke", confidence="certain", evidence=(f"label on 2 nodes {HOSTILE}",)),
    sections=(SectionSummary(name="nodes", seen="forbidden", items=0, reason=HOSTILE),),
    nodes=(node("a"), node(HOSTILE, free=None), node("many", allocatable=40, free=10), node("full", free=0)),
    placement=Placement(
        outcome=Outcome.FAIL,
        reason="1 of 2 replicas fit",
        pods=(
            PlacedPod(role="decode", replica=0, pod=0, node="a", reason="fits"),
            PlacedPod(role="decode", replica=1, pod=0, node=None, reason=f"4 nodes: {HOSTILE}"),
        ),
        roles=(RolePlacement(role="decode", replicas_wanted=2, replicas_placeable=1),),
        changes=("Run 1 replica of decode.",),
        fragmentation="12 GPUs are free, no node has 8",
    ),
    results=RESULTS,
)
