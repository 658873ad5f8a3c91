"""Which hop between a client and a model is broken: an observer reads, and judges look at what it read."""

from llmdctl.release.doctor.chaining import diagnose
from llmdctl.release.doctor.observing import observe
from llmdctl.release.doctor.scene import Scene

__all__ = ["Scene", "diagnose", "observe"]
