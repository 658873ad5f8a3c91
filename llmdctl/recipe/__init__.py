"""Well-lit paths and facets to one composed recipe.

`Catalog.load(roots)` finds the files, `compose(catalog, selection, overrides)` lays them over each other, and
`explain(recipe)` says where each value came from.
"""

from llmdctl.recipe.catalog import Catalog
from llmdctl.recipe.cells import kept_cells
from llmdctl.recipe.composing import compose
from llmdctl.recipe.facet import Facet, WellLitPath
from llmdctl.recipe.origins import explain

__all__ = ["Catalog", "Facet", "WellLitPath", "compose", "explain", "kept_cells"]
