"""Scores that several networks give together: axis -2 of what is right, and -3 of probabilities, is the
networks."""

from itertools import combinations

import numpy as np
from scipy.special import xlogy

Array = np.ndarray


def agreement(p: Array) -> Array:
    """Mean over pairs of networks of the Jensen-Shannon divergence of probabilities (..., M, N, C) -> (..., N),
    nats.

    Larger is harder (Carlini et al. 2019, "agr"); at most log 2.
    """
    p = np.asarray(p, dtype=np.float64)
    entropies = -xlogy(p, p).sum(axis=-1)
    pairs = list(combinations(range(p.shape[-3]), 2))
    if not pairs:
        raise ValueError(f"wanted at least two networks, found {p.shape[-3]}")
    found = 0.0
    for i, j in pairs:
        middle = (p[..., i, :, :] + p[..., j, :, :]) / 2
        found = found - xlogy(middle, middle).sum(axis=-1) - (entropies[..., i, :] + entropies[..., j, :]) / 2
    return found / len(pairs)


def consensus(predictions: Array, classes: int) -> Array:
    """The class with most votes (..., N) of predictions (..., M, N); the smallest of several."""
    votes = (np.asarray(predictions)[..., None] == np.arange(classes)).sum(axis=-3)
    return votes.argmax(axis=-1)


def dichotomous(correct: Array) -> Array:
    """+1 if all networks are right, -1 if none is, else 0; smaller is harder ("DDD", Meding et al. 2022)."""
    correct = np.asarray(correct, dtype=bool)
    return correct.all(axis=-2).astype(int) - (~correct).all(axis=-2).astype(int)


def entropy_of_mean(p: Array) -> Array:
    """Entropy (..., N) in nats of the probabilities (..., M, N, C) averaged over networks; larger is harder."""
    mean = np.asarray(p, dtype=np.float64).mean(axis=-3)
    return -xlogy(mean, mean).sum(axis=-1)


def c_score(correct: Array, held_out: Array) -> Array:
    """Share of networks that are right (..., N) among those that an example was held out from.

    correct, held_out: (..., M, N), bool. Smaller is harder (Jiang et al. 2021, at one ratio); NaN where no network
    held the example out.
    """
    return _share(correct, np.asarray(held_out, dtype=bool))


def memorisation(correct: Array, held_out: Array) -> Array:
    """P(right | trained on it) - P(right | held out) (..., N); larger is harder (Feldman and Zhang 2020)."""
    held_out = np.asarray(held_out, dtype=bool)
    return _share(correct, ~held_out) - _share(correct, held_out)


def _share(correct: Array, among: Array) -> Array:
    with np.errstate(invalid="ignore"):
        return (np.asarray(correct, dtype=bool) & among).sum(axis=-2) / among.sum(axis=-2)
