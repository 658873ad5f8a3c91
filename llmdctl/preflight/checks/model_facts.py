"""What is known of the model and of the accelerators, and does the recipe stay within it?"""

from __future__ import annotations

from typing import Final

from llmdctl.memory import argument, serves_the_facet
from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.model.recipe import Recipe
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.nodefindings import memory_doubt
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, warned

_SHOWN: Final = 8
_LONGER: Final = ("hf-overrides", "rope-scaling", "json-model-override-args")
_LONGER_ENV: Final = ("VLLM_ALLOW_LONG_MAX_MODEL_LEN", "SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN")


def _known_model(case: Case) -> Verdict:
    recipe = case.recipe
    if recipe is None:
        return skipped("no recipe was named")
    facet = recipe.facts["model"]
    if serves_the_facet(recipe.facts, recipe.values) and facet.get("config") and facet.get("weight_bytes"):
        return passed(f"{facet['id']}: {facet['weight_bytes'] / 1e9:.0f} GB of weights.")
    return warned(
        "The served model is another one than the facet's, so nothing is said about its memory.",
        (),
        "Make a facet of its config.json, and choose it with --paths and --model:",
        "$ llmdctl recipe model config.json --to my-paths",
    )


def _context(case: Case) -> Verdict:
    recipe = case.recipe
    if recipe is None:
        return skipped("no recipe was named")
    limit = int(recipe.facts["model"].get("max_model_len") or 0)
    if not limit or not serves_the_facet(recipe.facts, recipe.values):
        return skipped("the longest context of the model is not known")
    over = [role for role in recipe.roles if role.max_model_len > limit and not _stretched(case, recipe, role.name)]
    if not over:
        return passed(f"No role asks for more than the {limit} tokens of {recipe.facts['model']['id']}.")
    role = over[0]
    return failed(
        f"{role.name} asks for {role.max_model_len} tokens, and {recipe.facts['model']['id']} has {limit}: the engine"
        " ends at start.",
        [Evidence(object=f"role {each.name}", observed=str(each.max_model_len), expected=str(limit)) for each in over],
        f"Ask for at most {limit}: --role {role.name}.maxModelLen={limit}.",
        "Or stretch the positions (args hf-overrides with rope_scaling), as the model's own page says.",
    )


def _stretched(case: Case, recipe: Recipe, role: str) -> bool:
    told = argument(role, recipe.values, _LONGER) is not None
    names = {
        str(row.get("name"))
        for each in case.workloads
        if each.is_model_server
        for container in each.containers
        for row in container.get("env") or ()
    }
    return told or bool(names & set(_LONGER_ENV))


def _source(case: Case) -> Verdict:
    """Memory that a node states, against what is known of the product and against its other labels."""
    catalogue = case.catalogue
    judged = [(node, case.devices[node.name]) for node in case.nodes if case.devices[node.name].memory_mib]
    doubts = [(node, device, why) for node, device in judged if (why := memory_doubt(node, device, catalogue))]
    if not judged:
        return skipped("no node has an accelerator whose memory is known")
    if not doubts:
        return passed(f"Nothing contradicts the memory of the accelerators on {len(judged)} nodes.")
    node, device, why = doubts[0]
    return warned(
        f"{node.name}: {why}. {device.memory_mib} MiB ({device.memory_source}) are reckoned with"
        + (f"; {len(doubts)} of {len(judged)} nodes are in doubt." if len(doubts) > 1 else "."),
        [Evidence(object=node.identity, observed=why) for node, _, why in doubts[:_SHOWN]],
        "Look with nvidia-smi or rocm-smi on the node: a partition or a virtual device has less, a label may be wrong.",
    )


CHECKS: Final = (
    Check(
        code="LD0901",
        slug="model-is-known",
        title="The sizes of the model are known",
        severity=Severity.WARNING,
        rule=_known_model,
        why="Whether a model fits follows from its configuration: layers, heads, experts and the bytes of its weights.",
        remedy="Make a facet of the model with `llmdctl recipe model`.",
        sources=("https://huggingface.co/docs/transformers/main_classes/configuration",),
    ),
    Check(
        code="LD0906",
        slug="context-of-the-model",
        title="No role asks for more context than the model has",
        severity=Severity.ERROR,
        rule=_context,
        why="vLLM and SGLang end at start when maxModelLen is above the model's positions, unless these are stretched.",
        remedy="Lower maxModelLen, or state how positions are stretched.",
        sources=("https://docs.vllm.ai/en/stable/configuration/env_vars/", "https://docs.vllm.ai/en/stable/cli/serve/"),
    ),
    Check(
        code="LD0913",
        slug="memory-as-stated",
        title="Nodes state the memory that their accelerators have",
        severity=Severity.WARNING,
        rule=_source,
        needs=("nodes", "resource-slices"),
        why="Labels differ in unit and origin: MiB of the driver, of a cloud's API, or a rounded number of a vendor.",
        remedy="Trust the driver: GPU feature discovery or the DRA driver state what it says.",
        sources=("https://github.com/NVIDIA/k8s-device-plugin/blob/main/docs/gpu-feature-discovery/README.md",),
    ),
)
