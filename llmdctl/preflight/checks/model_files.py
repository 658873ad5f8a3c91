"""Is there room beside the accelerators: main memory for tiers of the KV cache, and disk for the weights?"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.model.quantity import exact
from llmdctl.model.recipe import Recipe
from llmdctl.preflight.candidates import Candidate
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.fitting import NO_NODE, recipe_of, servers
from llmdctl.preflight.linted import verdict_of
from llmdctl.preflight.verdict import UnknowableError, Verdict, failed, passed, skipped, warned
from llmdctl.preflight.workload import PodTemplate

Item = Mapping[str, Any]
_GIB: Final = 2**30
_SHOWN: Final = 8
_CACHE: Final = "HF_HOME"


def _tier(case: Case) -> Verdict:
    """Pods with a tier, as many as a node's accelerators allow, in the memory of the node."""
    recipe = recipe_of(case)
    if isinstance(recipe, Verdict):
        return recipe
    if not recipe.facts["kv_tier"].get("memory_share"):
        return skipped("no tier of the KV cache lies in main memory")
    inside = verdict_of(case, ("LD1965",), good="")
    if inside.outcome.value in ("fail", "warn"):
        return inside
    crowded, judged = [], 0
    for role, server in servers(case, recipe):
        asked = server.template.requests.get("memory", Fraction(0))
        for each in server.usable:
            judged += 1
            pods = each.device.count // max(1, server.count)
            has = each.node.allocatable.get("memory", Fraction(0))
            if pods and asked * pods > has:
                crowded.append((role.name, each, pods, asked, has))
    if not judged:
        return skipped(NO_NODE)
    if not crowded:
        return passed(f"{judged} candidate nodes have the memory for as many pods as they have accelerators for.")
    name, each, pods, asked, has = crowded[0]
    fitting = int(has // asked)
    over = -(-(asked * pods - has) // (each.device.count * _GIB))
    message = (
        f"{pods} pods of {name} take {_gib(asked * pods)} of memory with their tier, and {each.node.name} has"
        f" {_gib(has)}: {fitting} fit, and {each.device.count - fitting * (each.device.count // pods)} of"
        f" {each.device.count} accelerators stay idle."
    )
    remedy = f"Lower modelserver.roleDefaults.kvTier.cpuBytesPerAccelerator by {over} GiB or more."
    say = warned if any(has >= asked for _, _, _, asked, has in crowded) else failed
    return say(message, [_memory(row[1], row[4]) for row in crowded[:_SHOWN]], remedy)


def _memory(each: Candidate, has: Fraction) -> Evidence:
    return Evidence(object=each.node.identity, observed=f"memory {_gib(has)}, {each.device.count} accelerators")


def _weights(case: Case) -> Verdict:
    """The volume that weights are downloaded to; LD0626 judges the disk of the nodes under it."""
    recipe = recipe_of(case)
    if isinstance(recipe, Verdict):
        return recipe
    facts = recipe.facts["model"]
    needed = int(facts["weight_bytes"])
    said: list[str] = []
    for role, template in sorted({each.role: each for each in case.workloads if each.is_model_server}.items()):
        volume = cache_volume(template) or _claimed(recipe, template)
        if volume is None:
            continue
        size, where = _size(case, volume)
        if size is not None and size < needed:
            return failed(
                f"{role}: {needed / 1e9:.0f} GB of weights do not fit {where} of {_gib(size)}.",
                [Evidence(object=template.identity, observed=f"{where} {_gib(size)}", expected=_gib(Fraction(needed)))],
                "Leave the size to llmdctl, or name a claim that is large enough.",
            )
        said.append(f"{role} {where}" + (f" {_gib(size)}" if size is not None else ""))
    if not said:
        return skipped("no pod downloads weights, and none has them on a claim")
    return passed(f"{needed / 1e9:.0f} GB of weights have room: {'; '.join(said)}.")


def cache_volume(template: PodTemplate) -> Item | None:
    """The volume of the pod that HF_HOME lies on; None where nothing is downloaded."""
    for container in template.containers:
        home = next((str(row.get("value")) for row in container.get("env") or () if row.get("name") == _CACHE), "")
        mounts = sorted(container.get("volumeMounts") or (), key=lambda row: -len(str(row.get("mountPath"))))
        for mount in mounts if home else ():
            if home == mount.get("mountPath") or home.startswith(f"{mount.get('mountPath')}/"):
                rows = (row for row in template.spec.get("volumes") or () if row.get("name") == mount.get("name"))
                return next(rows, None)
    return None


def _claimed(recipe: Recipe, template: PodTemplate) -> Item | None:
    """The volume of the claim that the weights lie on already (`modelserver.model.source=pvc`)."""
    model = (recipe.values.get("modelserver") or {}).get("model") or {}
    claim = (model.get("pvc") or {}).get("claimName") if model.get("source") == "pvc" else None
    rows = template.spec.get("volumes") or ()
    return next((row for row in rows if claim and _claim_of(row) == claim), None)


def _claim_of(volume: Item) -> str:
    return str((volume.get("persistentVolumeClaim") or {}).get("claimName") or "")


def _size(case: Case, volume: Item) -> tuple[Fraction | None, str]:
    """(bytes, what it is); None bytes where it has no limit of its own."""
    if "emptyDir" in volume:
        limit = exact((volume["emptyDir"] or {}).get("sizeLimit"))
        return (limit or None), "a volume"
    claim = _claim_of(volume)
    if claim:
        rows = [*case.rendered("PersistentVolumeClaim"), *case.section("persistent-volume-claims")]
        for row in rows:
            if (row["metadata"]["name"], row["metadata"].get("namespace", case.namespace)) == (claim, case.namespace):
                asked = (((row.get("spec") or {}).get("resources") or {}).get("requests") or {}).get("storage")
                return exact(
                    ((row.get("status") or {}).get("capacity") or {}).get("storage") or asked
                ), f"claim {claim}"
        raise UnknowableError(f"the claim {claim} is not there (LD1004), so its size is not known")
    if "hostPath" in volume:
        raise UnknowableError(f"nothing tells how much room {volume['hostPath'].get('path')} has on the nodes")
    return None, "a volume"


def _gib(number: Fraction) -> str:
    return f"{float(number) / _GIB:.0f}Gi"


CHECKS: Final = (
    Check(
        code="LD0910",
        slug="memory-for-tiers",
        title="Nodes have the memory for their pods' KV cache tiers",
        severity=Severity.ERROR,
        rule=_tier,
        needs=("nodes", "resource-slices"),
        why="A tier is allocated at start and counts as the pod's memory: where a node has less than its pods ask for,"
        " some accelerators stay idle.",
        remedy="Lower cpuBytesPerAccelerator, or choose nodes with more memory.",
        sources=("https://docs.vllm.ai/en/stable/features/kv_offloading_usage/",),
    ),
    Check(
        code="LD0911",
        slug="disk-for-weights",
        title="There is disk for the weights",
        severity=Severity.ERROR,
        rule=_weights,
        needs=("nodes", "resource-slices"),
        why="Weights are downloaded into a volume of the pod. A volume on the node's disk counts as ephemeral storage:"
        " beyond its limit the pod is evicted, and a node that offers less never takes the pod.",
        remedy="Give nodes a larger disk for pods, or keep the weights on a shared volume.",
        sources=(
            "https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#local-ephemeral-storage",
        ),
    ),
)
