"""Telling from a run's ranks of a few examples which of two architectures was trained.

Examples are selected by the training runs alone: to select them by the runs that are told apart is leakage.
"""

from collections.abc import Sequence

import numpy as np

from isthmus.difficulty.sensitivity import welch

Array = np.ndarray


def by_sensitivity(a: Array, b: Array) -> Array:
    """Places (N,) of the examples, those first whose ranks differ most between training runs a (R, N) and b (S,
    N)."""
    return np.argsort(-np.abs(welch(a, b)[0]), kind="stable")


def told_first(a: Array, b: Array, runs: Array, order: Array, sizes: Sequence[int]) -> Array:
    """How far each of these runs (Q, N) is told to be of the first architecture, by the first k of `order`
    (sizes, Q).

    1 if its ranks are nearer, in Euclidean distance, to the mean of training runs a (R, N), 0 if nearer to that
    of b (S, N), 1/2 if to neither.
    """
    chosen = order[: max(sizes)]
    to_a, to_b = (np.cumsum((runs[:, chosen] - side[:, chosen].mean(axis=0)) ** 2, axis=1) for side in (a, b))
    last = np.asarray(sizes) - 1
    return (1 - np.sign(to_a[:, last] - to_b[:, last]).T) / 2
