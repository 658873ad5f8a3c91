"""A tiny catalogue: two paths and two facets on some axes, enough for every rule of composition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from llmdctl.model.selection import AXES
from llmdctl.recipe import Catalog
from llmdctl.recipe.catalog import FOLDERS

MODEL = """\
kind: model
name: {name}
title: A model
facts:
  id: org/{name}
  config: {{num_hidden_layers: 2, hidden_size: 256, num_attention_heads: {heads}, vocab_size: 1000}}
  weight_bytes: 1000000
  max_model_len: 1024
  gated: false
  licence: MIT
values:
  global: {{llmd: {{model: {{id: "{{{{ model.id }}}}"}}}}}}
"""

ACCELERATOR = """\
kind: accelerator
name: {name}
title: An accelerator
facts: {{vendor: nvidia, resource: nvidia.com/gpu, memory_mib: 81559, count_per_node: 8, unit: gpu}}
values:
  modelserver:
    roleDefaults:
      nodeSelector: {{product: {name}}}
node: {{count_per_node: 8, labels: {{}}, capacity: {{}}, allocatable: {{}}}}
"""

ENGINE = """\
kind: engine
name: {name}
title: An engine
facts: {{dialect: vllm, connector: nixlv2}}
values:
  global: {{llmd: {{engine: vllm}}}}
  modelserver:
    roleDefaults:
      args: {{a: 1}}
"""

PATH = """\
kind: path
name: {name}
title: A path
goal: Serve.
defaults: {{model: small, accelerator: big, engine: fast, fabric: none, kv_tier: none, scheduling: none,
  prefix_index: none, flow_control: none, gateway: none, autoscaler: none, metrics: none, platform: none}}
roles: [{roles}]
values:
  modelserver:
    roles:
      {first}:
        parallelism: {{tensor: 1}}
"""

FACTS = {
    "fabric": "{rdma: false, resource: ''}",
    "gateway": "{mode: standalone, provider: envoy}",
    "metrics": "{server_address: ''}",
}


def files() -> dict[str, str]:
    """Every file of the tiny catalogue: relative path -> text."""
    found = {
        "facets/models/small.yaml": MODEL.format(name="small", heads=8),
        "facets/models/odd.yaml": MODEL.format(name="odd", heads=6),
        "facets/accelerators/big.yaml": ACCELERATOR.format(name="big"),
        "facets/engines/fast.yaml": ENGINE.format(name="fast"),
        "facets/engines/slow.yaml": ENGINE.format(name="slow"),
        "plain/recipe.yaml": PATH.format(name="plain", roles="aggregate", first="aggregate"),
        "split/recipe.yaml": PATH.format(name="split", roles="prefill, decode", first="decode"),
    }
    for axis in AXES[AXES.index("fabric") :]:
        text = f"kind: {axis}\nname: none\ntitle: Nothing\nfacts: {FACTS.get(axis, '{}')}\n"
        found[f"facets/{FOLDERS[axis]}/none.yaml"] = text
    return found


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write({file: text}, more=…)`: the tiny catalogue with files replaced, added or, as None, left out."""

    def run(changed: Mapping[str, str | None] | None = None, *, folder: str = "paths", only: bool = False) -> Path:
        root = tmp_path / folder
        for file, text in {**({} if only else files()), **(changed or {})}.items():
            if text is not None:
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                (root / file).write_text(text)
        return root

    return run


@pytest.fixture
def catalog(write: Write) -> Callable[..., Catalog]:
    """`catalog({file: text})`: the loaded catalogue."""
    return lambda changed=None: Catalog.load([write(changed)])
