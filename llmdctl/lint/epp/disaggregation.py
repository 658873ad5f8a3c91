"""Handlers that split prefill from decode: what makes them start well and never split.

Sources: prefix_based_pd_decider.go and disagg_headers_handler.go of
https://github.com/llm-d/llm-d-inference-scheduler/tree/v0.7.1/pkg/plugins and
https://github.com/llm-d/llm-d-router/tree/v0.9.0/pkg/epp/framework/plugins/scheduling/profilehandler/disagg.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmdctl.lint.epp.config import Config, Instance
from llmdctl.lint.epp.profiles import DISAGGREGATED, decider_of
from llmdctl.lint.epp.remark import Remark, remark

_BY_PREFIX: Final = "prefix-based-pd-decider"
_HEADERS: Final = frozenset({"disagg-headers-handler", "prefill-header-handler"})
_GATE: Final = "prepareDataPlugins"


def check(config: Config) -> Iterator[Remark]:
    """Nothing where no handler has a prefill decider."""
    for handler in config.of_kind("profile-handler"):
        decider = config.by_name.get(decider_of(handler, "prefill")) if handler.type in DISAGGREGATED else None
        if decider is None:
            continue
        if decider.type == _BY_PREFIX:
            yield from _by_prefix(decider, config)
        if not config.catalogue.modern and not config.types & _HEADERS:
            message = (
                f"'{handler.type}' of 0.7 leaves it to disagg-headers-handler to tell the sidecar where to prefill."
            )
            yield remark("LD1833", handler.path, message, "Add '- type: disagg-headers-handler' to 'plugins'.")


def _by_prefix(decider: Instance, config: Config) -> Iterator[Remark]:
    path = (*decider.path, "parameters")
    if not decider.parameters.get("nonCachedTokens"):
        message = f"'{decider.name}' splits nothing: 'nonCachedTokens' is 0, which switches it off."
        yield remark("LD1833", path, message, "State from how many uncached tokens on prefill goes elsewhere.")
    if not config.catalogue.modern and _GATE not in config.gates:
        message = (
            f"'{decider.name}' of 0.7 sees no prefix matches without the feature gate {_GATE}, and splits nothing."
        )
        yield remark("LD1833", path, message, f"Add {_GATE} to 'featureGates'.")
