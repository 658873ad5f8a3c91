"""Does the recipe agree with itself? Mostly the linter's findings about what would be applied."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from llmdctl.memory import least_start_s, serves_the_facet
from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.linted import linted, verdict_of
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, warned
from llmdctl.preflight.workload import ROLE_LABEL, PodTemplate

_EPP: Final = ("LD1801", "LD1803", "LD1804", "LD1805", "LD1806", "LD1808", "LD1809", "LD1810", "LD1811", "LD1813",
    "LD1814", "LD1815", "LD1816", "LD1818", "LD1819", "LD1824", "LD1825", "LD1840", "LD1841", "LD1843", "LD1844",
)  # fmt: skip
"""Findings with which the endpoint picker ends at start, or fails its requests."""

_MONITORS: Final = ("PodMonitor", "ServiceMonitor", "PodMonitoring")
_PROBES: Final = "https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/"


def _no_pool(case: Case) -> str:
    return "" if any(case.rendered("InferencePool")) else "the recipe renders no InferencePool"


def _no_monitor(case: Case) -> str:
    return "" if any(case.rendered(*_MONITORS)) else "the recipe renders no monitor"


def _no_tpu(case: Case) -> str:
    asked = any("google.com/tpu" in each.requests for each in case.workloads)
    return "" if asked else "no pod asks for a TPU"


def _no_index(case: Case) -> str:
    texts = (text for each in case.rendered("ConfigMap") for text in (each.get("data") or {}).values())
    return "" if any("precise-prefix-cache" in str(text) for text in texts) else "no precise prefix index is used"


def _pair(case: Case) -> Verdict:
    """Both sides of a disaggregated pair, each with at least one replica."""
    by_role = {each.labels[ROLE_LABEL]: each for each in case.workloads if each.is_model_server}
    if case.linted is not None and not {"prefill", "decode"} & set(by_role):
        return skipped("prefill and decode are not apart")
    found = verdict_of(case, ("LD1602",), good="Prefill and decode both run.")
    empty = [each for each in by_role.values() if each.replicas == 0]
    if found.outcome.value != "pass" or not empty:
        return found
    evidence = [Evidence(object=each.identity, observed="0 replicas", expected="at least 1") for each in empty]
    sides = " and ".join(each.role for each in empty)
    return failed(f"The recipe has no replica for {sides}.", evidence, "Give each side at least one replica.")


def startup_s(template: PodTemplate) -> float | None:
    """Seconds that the startup probe of the engine leaves it; None without one. The API's defaults where unstated."""
    probes = [each.get("startupProbe") for each in template.containers if each.get("startupProbe")]
    return max((_budget(probe) for probe in probes), default=None)


def _budget(probe: Any) -> float:  # noqa: ANN401  a probe of the API
    return float(
        (probe.get("initialDelaySeconds") or 0)
        + (probe.get("periodSeconds") or 10) * (probe.get("failureThreshold") or 3)
    )


def _start(case: Case) -> Verdict:
    """The linter knows what a name says of a model's size; the recipe knows its bytes."""
    found = verdict_of(case, ("LD1606",), good="Startup probes wait long enough.")
    recipe = case.recipe
    if found.outcome.value != "pass" or recipe is None or not serves_the_facet(recipe.facts, recipe.values):
        return found
    weights = int(recipe.facts["model"].get("weight_bytes") or 0)
    needed = least_start_s(weights)
    servers = [(each, startup_s(each)) for each in case.workloads if each.is_model_server]
    short = [(each, budget) for each, budget in servers if budget is not None and budget < needed]
    if not short:
        return passed(f"{found.message} Starting with {weights / 1e9:.0f} GB of weights takes {needed:.0f} s or more.")
    evidence = [
        Evidence(object=each.identity, observed=f"startupProbe {budget:.0f} s", expected=f"{needed:.0f} s")
        for each, budget in short
    ]
    message = (
        f"{len(short)} of {len(servers)} model servers are killed after {short[0][1]:.0f} s while they load:"
        f" {weights / 1e9:.0f} GB take {needed:.0f} s at 1 GB/s."
    )
    return warned(message, evidence, "Raise modelserver.sizing.startupSeconds, or leave it to llmdctl.")


_error: Final = partial(Check, severity=Severity.ERROR)

CHECKS: Final = (
    _error(
        code="LD1601",
        slug="accelerators-and-parallelism",
        title="Pods ask for as many accelerators as their engine takes",
        rule=linted("LD1601", "LD1614", good="Every engine has the accelerators that its parallelism takes."),
        why="An engine takes tensor x pipeline x data devices: with fewer it ends at start, more are idle.",
        remedy="Make parallelism and request equal.",
        sources=("https://docs.vllm.ai/en/stable/serving/parallelism_scaling/",),
    ),
    _error(
        code="LD1602",
        slug="pair-of-prefill-and-decode",
        title="Prefill and decode both run",
        rule=_pair,
        why="Prefill without decode computes KV cache that nobody turns into an answer.",
        remedy="Give each side at least one replica.",
        sources=("https://docs.vllm.ai/en/stable/features/disagg_prefill/",),
    ),
    _error(
        code="LD1603",
        slug="pool-and-pods",
        title="Pool, picker and pods fit each other",
        rule=linted(
            "LD1603",
            "LD1922",
            "LD1923",
            "LD1926",
            good="The pool selects the model servers, on ports that they have.",
            concerned=_no_pool,
        ),
        why="Endpoints of a pool are the pods that its selector matches, each on every targetPort.",
        remedy="Leave selector and ports to the chart, or change both sides.",
        sources=("https://gateway-api-inference-extension.sigs.k8s.io/api-types/inferencepool/",),
    ),
    _error(
        code="LD1604",
        slug="scheduler-configuration",
        title="The endpoint picker starts with its configuration",
        rule=linted(*_EPP, good="The picker's release has every plugin and flag that is named.", concerned=_no_pool),
        why="Each release registers its own plugins and flags, and ends at start for one that it does not know.",
        remedy="Choose plugins of the release that is pinned, or another release of the picker.",
        sources=("https://github.com/llm-d/llm-d-router",),
    ),
    _error(
        code="LD1605",
        slug="metrics-are-there-to-scrape",
        title="Monitors read ports and paths that exist",
        rule=linted(
            "LD1605",
            "LD1867",
            "LD1868",
            "LD1869",
            good="Every monitor reads a port that its pods have.",
            concerned=_no_monitor,
        ),
        why="A scrape of a port or path that is not there gives no series, and whoever scales by them sees nothing.",
        remedy="Leave ports and paths to the chart.",
        sources=("https://prometheus-operator.dev/docs/api-reference/api/#monitoring.coreos.com/v1.PodMonitor",),
    ),
    _error(
        code="LD1606",
        slug="time-to-start",
        title="Startup probes wait as long as loading takes",
        rule=_start,
        why="A container that is killed while it loads starts again from nothing, for ever.",
        remedy="Leave the startup budget to llmdctl, or raise it.",
        sources=(_PROBES,),
    ),
    _error(
        code="LD1607",
        slug="time-to-end",
        title="The grace period covers draining",
        rule=linted("LD1607", good="Grace periods cover the hooks and the drain."),
        why="The pod is killed in the middle of answers: the grace period covers the preStop hook and the drain.",
        remedy="Raise terminationGracePeriodSeconds, or shorten the drain.",
        sources=("https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination",),
    ),
    _error(
        code="LD1608",
        slug="tpu-request",
        title="TPU slice and request fit",
        rule=linted("LD1608", good="Every topology has the chips that its pods ask for.", concerned=_no_tpu),
        why="The product of the topology is the chips of the slice; a pod asks for those of one host.",
        remedy="Choose a topology whose chips the pods share evenly.",
        sources=("https://cloud.google.com/kubernetes-engine/docs/concepts/plan-tpus",),
    ),
    _error(
        code="LD1609",
        slug="resource-names",
        title="Resources have names that a device plugin offers",
        rule=linted("LD1609", good="Every resource has a name that some device plugin offers."),
        why="A pod that asks for a resource which no plugin offers stays Pending for ever.",
        remedy="Take the name from `llmdctl inventory nodes`.",
        sources=("https://kubernetes.io/docs/tasks/manage-gpus/scheduling-gpus/",),
    ),
    _error(
        code="LD1610",
        slug="references",
        title="What is referred to is rendered, or expected from outside",
        rule=linted("LD1610", good="Nothing refers to an object that looks misspelt."),
        why="A pod does not start until every ConfigMap, Secret and ServiceAccount that it names exists.",
        remedy="Correct the name; make what comes from outside before installing (LD1104 looks for it in the cluster).",
        sources=("https://kubernetes.io/docs/concepts/configuration/configmap/",),
    ),
    _error(
        code="LD1611",
        slug="block-sizes",
        title="Engine and prefix index hash alike",
        rule=linted(
            "LD1611",
            "LD1970",
            "LD1971",
            "LD1972",
            "LD1973",
            good="Block size, seed and events of engine and index agree.",
            concerned=_no_index,
        ),
        why="No block that the scheduler asks for has the hash of a block that the engine holds: nothing matches.",
        remedy="Set global.llmd.blockSize, which both sides read.",
        sources=("https://github.com/llm-d/llm-d-kv-cache/blob/main/docs/configuration.md",),
    ),
    _error(
        code="LD1613",
        slug="names-are-unique",
        title="No two objects have one name",
        rule=linted("LD1613", good="Every object has a name of its own."),
        why="The second object is laid over the first one.",
        remedy="Rename one, or install under another release name.",
        sources=("https://kubernetes.io/docs/concepts/overview/working-with-objects/names/",),
    ),
)
