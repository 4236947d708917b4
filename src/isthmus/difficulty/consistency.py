"""How far a score repeats itself from run to run, and how many runs must be averaged for it to."""

import numpy as np

Array = np.ndarray


def groups(ranked: Array, size: int) -> tuple[Array, Array]:
    """Mean ranks (pairs, N) of two disjoint groups of `size` runs each, neighbours in the order of runs (R, N).

    Ranks and not scores are averaged: some scores are infinite, and one run with large losses must not decide.
    """
    pairs = len(ranked) // (2 * size)
    means = ranked[: 2 * size * pairs].reshape(pairs, 2, size, ranked.shape[-1]).mean(axis=2)
    return means[:, 0], means[:, 1]


def spearman_brown(one: Array, runs: float) -> Array:
    """Consistency of a mean of so many runs that follows from that of one run, if runs err independently
    (Spearman 1910, Brown 1910): r rho / (1 + (r - 1) rho)."""
    return runs * one / (1 + (runs - 1) * one)


def runs_needed(one: Array, wanted: float) -> Array:
    """How many runs must be averaged for the consistency wanted, by the same formula."""
    return wanted * (1 - one) / (one * (1 - wanted))
