"""Room: linear mode connectivity from optimal transport."""
