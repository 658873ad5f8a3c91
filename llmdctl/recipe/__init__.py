"""Well-lit paths and facets to one composed recipe.

`Catalog.load(roots)` finds the files, `compose(catalog, selection, overrides)` lays them over each other, and
`explain(recipe)` says where each value came from. `matrix(catalog)` goes through the combinations that we stand for.
"""

from llmdctl.recipe.catalog import Catalog
from llmdctl.recipe.cells import kept_cells
from llmdctl.recipe.composing import compose
from llmdctl.recipe.facet import Facet, WellLitPath
from llmdctl.recipe.matrix import MatrixCell, matrix
from llmdctl.recipe.origins import explain
from llmdctl.recipe.own_model import model_facet
from llmdctl.recipe.predicates import KINDS as REFUSAL_KINDS
from llmdctl.recipe.predicates import Refusal

__all__ = [
    "REFUSAL_KINDS",
    "Catalog",
    "Facet",
    "MatrixCell",
    "Refusal",
    "WellLitPath",
    "compose",
    "explain",
    "kept_cells",
    "matrix",
    "model_facet",
]
