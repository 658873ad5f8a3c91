"""What monitoring says: the text that components expose, and answers of a Prometheus server."""

from llmdctl.prometheus.exposition import Exposition, Sample, parse

__all__ = ["Exposition", "Sample", "parse"]
