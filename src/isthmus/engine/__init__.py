"""Training many networks at once: a fleet is a matrix, one row per network."""
