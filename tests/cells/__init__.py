"""Every cell of the default matrix as charts see it, for the benchmark, the judges and the real API server."""
