"""Lottery tickets: iterative magnitude pruning, instability, and masks carried over modulo permutation."""
