"""Ranks and how well two rankings agree, over the last axis, leading axes free. Ties share their mean rank."""

import numpy as np
from scipy.stats import rankdata

Array = np.ndarray


def ranks(scores: Array) -> Array:
    """Average ranks from 0, the hardest last (..., N); infinities are ranked."""
    return rankdata(scores, axis=-1) - 1


def correlation(a: Array, b: Array) -> Array:
    """Pearson's correlation (...) of a and b (..., N); NaN where either is constant."""
    a, b = (x - x.mean(axis=-1, keepdims=True) for x in (np.asarray(a, float), np.asarray(b, float)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (a * b).sum(axis=-1) / np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1))


def spearman(a: Array, b: Array) -> Array:
    """Spearman's rank correlation (...) of scores a and b (..., N); NaN where either is constant."""
    return correlation(ranks(a), ranks(b))


def overlap(a: Array, b: Array, share: float, rng: np.random.Generator, draws: int = 20) -> float:
    """Share of the hardest `share` of the examples by a (N,) that are so by b (N,) too.

    Ties are broken at random, and the mean of so many draws is given.
    """
    count = max(1, round(share * len(a)))
    found = []
    for _ in range(draws):
        order = rng.permutation(len(a))
        hardest = [order[np.argsort(x[order], kind="stable")[-count:]] for x in (np.asarray(a), np.asarray(b))]
        found.append(len(np.intersect1d(*hardest)) / count)
    return float(np.mean(found))
