"""A composed recipe to what Helm is asked to install: its values, and what only facts of model and hardware tell.

No cluster and no Helm: pure functions from `model.Recipe` to `model.ReleaseSpec`, and a YAML writer whose output Helm
reads back unchanged.
"""

from llmdctl.values.building import build, complete
from llmdctl.values.computed import computed_layer, contradictions
from llmdctl.values.generated import values_file
from llmdctl.values.writer import to_yaml

__all__ = ["build", "complete", "computed_layer", "contradictions", "to_yaml", "values_file"]
