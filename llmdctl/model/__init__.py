"""Frozen value types: what the layers hand each other. Standard library only, no input or output."""
