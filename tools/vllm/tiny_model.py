"""A model of two million random parameters with its own tokenizer, for a real vLLM: text is noise, all else is real.

Runs in vLLM's environment: `python tools/vllm/tiny_model.py MODEL_DIR ADAPTER_DIR`.
"""

from __future__ import annotations

import json
import sys
import sysconfig
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

WORDS = 2048
WIDTH = 256
LAYERS = 2
RANK = 8
TEMPLATE = (
    "{% for message in messages %}<s>{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant: {% endif %}"
)


def tokenizer() -> PreTrainedTokenizerFast:
    """Byte pairs, learned from the standard library, which every Python has."""
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    texts = sorted(str(path) for path in Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))[:100]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bare.train(texts, trainers.BpeTrainer(vocab_size=WORDS, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet))
    made = PreTrainedTokenizerFast(tokenizer_object=bare, bos_token="<s>", eos_token="</s>")
    made.chat_template = TEMPLATE
    return made


def model() -> LlamaForCausalLM:
    """Two layers, the same numbers each time."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=WORDS, hidden_size=WIDTH, intermediate_size=512, num_hidden_layers=LAYERS, num_attention_heads=4,
        num_key_value_heads=4, max_position_embeddings=4096, bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    return LlamaForCausalLM(config).to(torch.bfloat16)


def adapter(folder: Path) -> None:
    """A low-rank adapter of its query projections, in the form of PEFT (adapter_config.json beside the tensors)."""
    folder.mkdir()
    stated = {"peft_type": "LORA", "r": RANK, "lora_alpha": RANK, "target_modules": ["q_proj"], "bias": "none",
              "task_type": "CAUSAL_LM", "base_model_name_or_path": "tiny"}  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(stated))
    torch.manual_seed(1)
    front = "base_model.model.model.layers.{}.self_attn.q_proj.lora_{}.weight"
    shapes = {"A": (RANK, WIDTH), "B": (WIDTH, RANK)}
    tensors = {
        front.format(layer, part): torch.randn(shape) for layer in range(LAYERS) for part, shape in shapes.items()
    }
    save_file(
        {name: tensor.to(torch.bfloat16) for name, tensor in tensors.items()}, folder / "adapter_model.safetensors"
    )


if __name__ == "__main__":
    tokenizer().save_pretrained(sys.argv[1])
    model().save_pretrained(sys.argv[1])
    adapter(Path(sys.argv[2]))
