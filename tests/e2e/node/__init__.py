"""The real node: pods on it behave, and the machine that carries it does not change."""
