"""Images for real nodes, made of this machine's programs without Docker.

`archives()` gives one docker-archive an image, from the cache of programs where nothing changed; `references()` names
them; `values()` makes a recipe use them. What there is, and of what, stands in images.yaml alone.
"""

from llmdctl.sandbox.images.building import Built, archives, built, reference, references
from llmdctl.sandbox.images.chart_values import values, write_values
from llmdctl.sandbox.images.dialect import dialect_of
from llmdctl.sandbox.images.exporting import VALUES, Exported, exported
from llmdctl.sandbox.images.facet import facets
from llmdctl.sandbox.images.pickers import dialect, pinned_programs

__all__ = [
    "VALUES",
    "Built",
    "Exported",
    "archives",
    "built",
    "dialect",
    "dialect_of",
    "exported",
    "facets",
    "pinned_programs",
    "reference",
    "references",
    "values",
    "write_values",
]
