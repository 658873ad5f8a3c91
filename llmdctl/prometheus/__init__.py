"""What monitoring says: the text that components expose, and answers of a Prometheus server."""

from llmdctl.prometheus.exposition import Exposition, Sample, parse
from llmdctl.prometheus.querying import (
    Answer,
    Ask,
    Point,
    Prometheus,
    QueryError,
    Series,
    Target,
    over_http,
    token_from,
)

__all__ = [
    "Answer",
    "Ask",
    "Exposition",
    "Point",
    "Prometheus",
    "QueryError",
    "Sample",
    "Series",
    "Target",
    "over_http",
    "parse",
    "token_from",
]
