"""Scores of when an example was learned and forgotten: functions of whether it was right at each checkpoint.

correct (..., T, N), bool -> (..., N). Before the first checkpoint every example counts as wrong, and for
`first_forget` and `first_unlearnable`, which are meant for pruning and noise, as right.
"""

import numpy as np

Array = np.ndarray


def forgetting_events(correct: Array) -> Array:
    """How often right was followed by wrong; infinity if never right, so that it ranks last (Toneva et al.
    2019)."""
    correct = np.asarray(correct, dtype=bool)
    events = (correct[..., :-1, :] & ~correct[..., 1:, :]).sum(axis=-2).astype(np.float64)
    return np.where(never_learned(correct), np.inf, events)


def learning_events(correct: Array) -> Array:
    """How often wrong was followed by right."""
    correct = np.asarray(correct, dtype=bool)
    before = np.concatenate([np.zeros_like(correct[..., :1, :]), correct[..., :-1, :]], axis=-2)
    return (~before & correct).sum(axis=-2)


def never_learned(correct: Array) -> Array:
    """Whether it was wrong at every checkpoint, bool."""
    return ~np.asarray(correct, dtype=bool).any(axis=-2)


def unforgettable(correct: Array) -> Array:
    """Whether it was learned and never forgotten, bool; false is harder."""
    return forgetting_events(correct) == 0


def first_learn(correct: Array) -> Array:
    """The first checkpoint, from 0, at which it was right; T if none. Larger is harder."""
    correct = np.asarray(correct, dtype=bool)
    return np.where(never_learned(correct), correct.shape[-2], correct.argmax(axis=-2))


def learned(correct: Array) -> Array:
    """The first checkpoint from which on it was always right; T if the last is wrong (Baldock et al. 2021).

    Also "first unforgettable" and "iteration learned". Larger is harder.
    """
    correct = np.asarray(correct, dtype=bool)
    right_to_the_end = np.logical_and.accumulate(correct[..., ::-1, :], axis=-2).sum(axis=-2)
    return correct.shape[-2] - right_to_the_end


def first_forget(correct: Array) -> Array:
    """The first checkpoint at which it was wrong; T if none. Smaller is harder."""
    return first_learn(~np.asarray(correct, dtype=bool))


def first_unlearnable(correct: Array) -> Array:
    """The first checkpoint from which on it was always wrong; T if the last is right. Smaller is harder."""
    return learned(~np.asarray(correct, dtype=bool))
