"""A file for those who help: what was seen of a deployment, without what must stay secret."""

from llmdctl.release.bundle.masking import masked_object, masked_text
from llmdctl.release.bundle.packing import pack
from llmdctl.release.bundle.proving import proved
from llmdctl.release.bundle.writing import write

__all__ = ["masked_object", "masked_text", "pack", "proved", "write"]
