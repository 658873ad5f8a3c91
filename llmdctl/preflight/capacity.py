"""What is left of each node for new pods, and which nodes a pod may go to at all."""

from __future__ import annotations

from collections.abc import Mapping

from llmdctl.preflight.case import Case
from llmdctl.preflight.requests import Amounts, pod_requests
from llmdctl.preflight.workload import PodTemplate


def free(case: Case) -> Mapping[str, Amounts]:
    """Node name -> what is left of it for new pods, every node. Raises UnknowableError without nodes or pods."""
    left = {node.name: dict(node.allocatable) for node in case.nodes}
    for pod in case.section("pods"):
        spec = pod.get("spec") or {}
        node = left.get(spec.get("nodeName", ""))
        if node is None or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            continue
        for name, number in pod_requests(spec).items():
            if name in node:
                node[name] -= number
        if "pods" in node:
            node["pods"] -= 1
    return left


def eligible(case: Case, template: PodTemplate) -> Mapping[str, str]:
    """Node name -> empty where the pod may go there (resources aside), else why not."""
    found = {}
    for node in case.nodes:
        kept = next((taint for taint in node.repelling if not taint.tolerated(template.spec.get("tolerations"))), None)
        found[node.name] = "cordoned" if node.cordoned else f"untolerated taint {kept}" if kept else ""
    return found
