"""Is this version of the platform one on which the paths were tested?"""

from __future__ import annotations

import re
from typing import Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.verdict import UnknowableError, Verdict, failed, passed, skipped, warned

_GKE: Final = (1, 33, 4)
_OPENSHIFT: Final = ((4, 19), (4, 21))  # the first and the last tested


def _gke(case: Case) -> Verdict:
    for item in case.section("version"):
        stated = str(item.get("gitVersion", ""))
        if "-gke." not in stated:
            return skipped(f"the server is not of GKE ({stated or 'no version'})")
        found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", stated)
        if not found:
            break
        have = (int(found[1]), int(found[2]), int(found[3]))
        said = ".".join(map(str, have))
        if have < _GKE:
            return failed(
                f"GKE {said} is older than 1.33.4, with which the paths were tested.",
                (Evidence(object="section//version", observed=stated, expected="1.33.4 or later"),),
                "Upgrade the cluster's control plane and node pools.",
                "$ gcloud container get-server-config --format 'yaml(channels)'",
            )
        return passed(f"GKE {said}.")
    raise UnknowableError("version: the server did not state one")


def _openshift(case: Case) -> Verdict:
    items = case.section("cluster-versions")
    if not items:
        return skipped("the cluster is not OpenShift")
    done = [entry for entry in (items[0].get("status") or {}).get("history") or () if entry.get("state") == "Completed"]
    stated = str(done[0].get("version", "")) if done else ""
    found = re.match(r"(\d+)\.(\d+)", stated)
    if not found:
        raise UnknowableError("cluster-versions: no completed version is stated")
    have = (int(found[1]), int(found[2]))
    seen = (Evidence(object="ClusterVersion//version", observed=stated, expected="4.19 to 4.21"),)
    if have < _OPENSHIFT[0]:
        return failed(f"OpenShift {stated} is older than 4.19, the first with which llm-d works.", seen, "Upgrade it.")
    if have > _OPENSHIFT[1]:
        return warned(f"OpenShift {stated} is newer than 4.21, the last that was tested.", seen, "Try it first.")
    return passed(f"OpenShift {stated}.")


CHECKS: Final = (
    Check(
        code="LD0308",
        slug="gke-version",
        title="GKE is of a version that was tested",
        severity=Severity.WARNING,
        rule=_gke,
        needs=("version",),
        why="llm-d's guides for GKE were tested with 1.33.4 and later.",
        remedy="Upgrade the cluster.",
        sources=("https://github.com/llm-d/llm-d/blob/main/docs/infrastructure/providers/gke/README.md",),
    ),
    Check(
        code="LD0309",
        slug="openshift-version",
        title="OpenShift is of a version that was tested",
        severity=Severity.WARNING,
        rule=_openshift,
        needs=("cluster-versions",),
        why="llm-d needs OpenShift 4.19 or later and was tested up to 4.21.",
        remedy="Upgrade the cluster.",
        sources=(
            "https://docs.redhat.com/en/documentation/red_hat_ai_inference/3.4/html/deploy_distributed_inference_with_llm-d_on_openshift_container_platform/prerequisites-llmd-on-openshift_llmd-on-openshift",
            "https://github.com/llm-d/llm-d/blob/main/docs/infra-providers/openshift/README.md",
        ),
    ),
)
