"""Which CUDA an engine's image is built with, as far as its name tells."""

from __future__ import annotations

import re
from typing import Final

_TAGGED: Final = re.compile(r"cu(?:da)?-?(1[1-9])\.?\d")  # cu130, cu12.9, cuda-13.0
_VLLM: Final = re.compile(r"vllm/vllm-openai:v(\d+)\.(\d+)")
_VLLM_CUDA_13: Final = (0, 20)


def cuda_major(image: str) -> int | None:
    """The major version of CUDA; None where the name does not tell.

    vLLM's images are built with CUDA 13 from 0.20 on unless their tag says otherwise:
    https://github.com/vllm-project/vllm/issues/42738, https://github.com/vllm-project/vllm/pull/47628
    """
    tagged = _TAGGED.search(image.rsplit(":", 1)[-1])
    if tagged:
        return int(tagged[1])
    vllm = _VLLM.search(image)
    return 13 if vllm and (int(vllm[1]), int(vllm[2])) >= _VLLM_CUDA_13 else None
