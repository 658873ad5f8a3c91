"""Whether a cluster can carry a recipe: (recipe, rendered objects, inventory) -> report. Never reaches a cluster."""
