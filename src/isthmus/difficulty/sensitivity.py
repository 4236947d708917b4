"""Which examples change their rank with the architecture: one test for each example, over runs."""

import numpy as np
from scipy.special import stdtr

Array = np.ndarray


def welch(a: Array, b: Array) -> tuple[Array, Array]:
    """Welch's t (N,) of runs a (R, N) against b (S, N), and its two-sided p-value (N,).

    Where neither varies, t is 0 and p is 1 if they are equal, and infinite and 0 if not.
    """
    gap = a.mean(axis=0) - b.mean(axis=0)
    squares = [x.var(axis=0, ddof=1) / len(x) for x in (a, b)]
    both = squares[0] + squares[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where((both == 0) & (gap == 0), 0.0, gap / np.sqrt(both))
        parts = sum(square**2 / (len(x) - 1) for square, x in zip(squares, (a, b), strict=True))
        freedom = np.where(both == 0, 1.0, both**2 / parts)
    return t, 2 * stdtr(freedom, -np.abs(t))


def significant(p: Array, level: float = 0.05) -> Array:
    """Which of N tests pass Bonferroni's line, level / N: bool (N,)."""
    return p < level / len(p)
