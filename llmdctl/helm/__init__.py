"""The only door to Helm.

`open_renderer()` gives the cheapest engine that renders here: the one embedded in `helm-python-sdk` where that is
installed, else the `helm` program. `open_helm()` gives the program, which alone changes a cluster. Both take values by
its input, a private file or in memory, never on a command line, and raise `HelmError` and its kin in Helm's own words.
"""

from llmdctl.helm.asking import asks_more
from llmdctl.helm.door import (
    ASSUMED_KUBERNETES,
    Begun,
    Change,
    Engine,
    Helm,
    Rendered,
    Renderer,
    Target,
    stated_version,
)
from llmdctl.helm.embedded import LIBRARY as EMBEDDED_LIBRARY
from llmdctl.helm.embedded import importable as embedded_installed
from llmdctl.helm.manifest import parse_manifests
from llmdctl.helm.opening import open_helm, open_renderer
from llmdctl.helm.writing import cluster_part, in_scope, to_manifests

__all__ = [
    "ASSUMED_KUBERNETES",
    "EMBEDDED_LIBRARY",
    "Begun",
    "Change",
    "Engine",
    "Helm",
    "Rendered",
    "Renderer",
    "Target",
    "asks_more",
    "cluster_part",
    "embedded_installed",
    "in_scope",
    "open_helm",
    "open_renderer",
    "parse_manifests",
    "stated_version",
    "to_manifests",
]
