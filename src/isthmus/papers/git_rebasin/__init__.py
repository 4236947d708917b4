"""Room: merging networks modulo permutation symmetries, with REPAIR."""
