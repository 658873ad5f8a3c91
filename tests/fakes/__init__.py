"""Doubles of the doors, for tests: a cluster and a Helm in memory, and time that passes only when somebody waits."""
