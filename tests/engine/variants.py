"""How a real vLLM is started to be recorded: once for everything, and once for each signal that is off or on there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SERVED: Final = (
    "--served-model-name", "tiny", "tiny-alias", "--max-model-len", "2048", "--max-num-seqs", "8", "--enforce-eager",
    "--dtype", "bfloat16", "--block-size", "32", "--num-gpu-blocks-override", "96",
)  # fmt: skip
"""How the server is started, beside its model, address and KV events."""
RECORDINGS: Final = Path(__file__).resolve().parents[1] / "fixtures" / "vllm-0.32-cpu"
OFF: Final = "--no-enable-prefix-caching"
ADAPTER: Final = "adapter"
CONNECTOR: Final = json.dumps({
    "kv_connector": "ExampleConnector", "kv_role": "kv_both",
    "kv_connector_extra_config": {"shared_storage_path": "./blocks"},
})  # fmt: skip
"""A connector through files: the one of vLLM 0.32 that runs on a CPU. NIXL and offloading want an accelerator."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One server. `shows` is what it is there for."""

    words: tuple[str, ...]
    shows: str
    events: bool = False
    model: str = "tiny"  # that is asked


VARIANTS: Final = {
    "default": Variant(words=SERVED, events=True, shows="prefix caching and KV events on; everything else off"),
    "prefix-cache-off": Variant(words=(*SERVED, OFF), shows="prefix caching and KV events off"),
    # Without a cache of its own, so that the second time a prompt's blocks come through the connector.
    "connector": Variant(words=(*SERVED, OFF, "--kv-transfer-config", CONNECTOR), shows="blocks from a KV connector"),
    "adapter": Variant(
        words=(*SERVED, "--enable-lora", "--max-loras", "2", "--max-lora-rank", "8", "--lora-modules",
               "adapter=./lora"),
        model=ADAPTER,
        shows="a request with an adapter",
    ),
    # Blocks are a multiple of 32 tokens: the attention on CPUs takes no others.
    "other-sizes": Variant(
        words=(
            "--served-model-name", "tiny", "--max-model-len", "1024", "--max-num-seqs", "4", "--enforce-eager",
            "--dtype", "bfloat16", "--block-size", "64", "--num-gpu-blocks-override", "20",
        ),
        shows="another block size, model length and size of the KV cache",
    ),
}  # fmt: skip
