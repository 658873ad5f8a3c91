"""Where a pinned program comes from, and the CRDs of the pinned modules.

`find("helm")` tries, in this order: an explicit path (argument, then `LLMDCTL_HELM`), PATH if the version there fits,
the cache, the official download with its checksum (left out under `LLMDCTL_TOOLS=build`), and `go build` from
`tools/<family>`. Every step says one line to the injected reporter; nothing is printed here. `gather` does the same for
many programs, and builds two at a time.
"""

from llmdctl.programs.cache import cache_root
from llmdctl.programs.catalog import CATALOG, Pinned, pinned
from llmdctl.programs.crds import CRD_MODULES, CrdModule, crds, manifests
from llmdctl.programs.gathering import gather
from llmdctl.programs.origin import Origin, Program, Reporter, silent
from llmdctl.programs.sources import find, locate, version_on_path

__all__ = [
    "CATALOG",
    "CRD_MODULES",
    "CrdModule",
    "Origin",
    "Pinned",
    "Program",
    "Reporter",
    "cache_root",
    "crds",
    "find",
    "gather",
    "locate",
    "manifests",
    "pinned",
    "silent",
    "version_on_path",
]
