"""Whether a chart renders otherwise with a cluster at hand, or for an upgrade, than without."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

_ASKS: Final = re.compile(
    r"\b(?:lookup|getHostByName|HelmVersion)\b"
    r"|\.Release\b(?!\.(?:Name|Namespace|Service)\b)"  # IsInstall, IsUpgrade, Revision, or all of it
)
_PACKED: Final = ".tgz"
_TEMPLATE: Final = "{{"


def asks_more(chart: Path, values: Mapping[str, Any]) -> bool:
    """Whether templates may look into the cluster, or at what Helm does there (install or upgrade, which revision).

    Otherwise versions and served kinds are all that a cluster adds, and both are known without Helm. True as well
    where it cannot be told: a packed subchart, or a template among the values.
    """
    return _chart_asks(chart) or _TEMPLATE in json.dumps(values, default=str)


@cache
def _chart_asks(chart: Path) -> bool:
    for folder, _, files in os.walk(chart, followlinks=True):  # subcharts are links in a checkout
        if any(name.endswith(_PACKED) for name in files):
            return True
        if "templates" not in Path(folder).relative_to(chart).parts:
            continue
        if any(_ASKS.search((Path(folder) / name).read_text(encoding="utf-8", errors="replace")) for name in files):
            return True
    return False
