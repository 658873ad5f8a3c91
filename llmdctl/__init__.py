"""llmdctl: well-lit paths for serving large language models on Kubernetes."""

__version__ = "0.1.0"
