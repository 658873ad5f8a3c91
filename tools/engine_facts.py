"""Writes llmdctl/sandbox/engine/facts.json: what the simulated engine knows of models and accelerators.

From the facets, by llmdctl.memory. `--check` only says whether it is out of date.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys

from llmdctl import assets
from llmdctl.memory import ModelFacts, loaded_weight_bytes, state_bytes_per_sequence
from llmdctl.memory.kv import kv_bytes_per_token
from llmdctl.memory.weights import loaded_expert_bytes
from llmdctl.recipe import Catalog
from llmdctl.sandbox.engine.capacity import FACTS


def described(model: ModelFacts) -> dict[str, object]:
    """The numbers of one model."""
    experts = loaded_expert_bytes(model)
    return {
        "dense_bytes": loaded_weight_bytes(model) - experts,
        "expert_bytes": experts,
        "vocabulary": model.vocab,
        "full_layers": model.full_layers,
        "windowed_layers": model.windowed_layers,
        "window": model.window,
        "kv_heads": model.kv_heads,
        "head_dim": model.head_dim,
        "kv_width": model.kv_dtype_bytes,
        "latent_bytes": latent(model),
        "state_bytes": state_bytes_per_sequence(model),
        "max_model_len": model.max_model_len,
    }


def latent(model: ModelFacts) -> dict[str, int]:
    """Bytes of a token in one layer by the width of a number; empty for a model with heads."""
    if model.latent is None:
        return {}
    layers = model.full_layers + model.windowed_layers
    wide = {width: dataclasses.replace(model, kv_dtype_bytes=width) for width in (1, 2)}
    return {str(width): kv_bytes_per_token(each) // layers for width, each in wide.items()}


def text() -> str:
    """The file."""
    catalog = Catalog.load([assets.paths()])
    stated = (facet.facts for facet in catalog.facets("model"))
    models = {str(facts["id"]): ModelFacts.from_facts(facts) for facts in stated if facts.get("weight_bytes")}
    memory = {facet.name: facet.facts.get("memory_mib") for facet in catalog.facets("accelerator")}
    return (
        json.dumps(
            {
                "accelerators_mib": {name: mib for name, mib in sorted(memory.items()) if mib},
                "models": {name: described(model) for name, model in sorted(models.items())},
            },
            indent=1,
        )
        + "\n"
    )


def main() -> int:
    """Write, or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 when it is out of date")
    if not parser.parse_args().check:
        FACTS.write_text(text(), encoding="utf-8")
        return 0
    if FACTS.is_file() and FACTS.read_text(encoding="utf-8") == text():
        return 0
    print(f"{FACTS} is out of date")
    return 1


if __name__ == "__main__":
    sys.exit(main())
