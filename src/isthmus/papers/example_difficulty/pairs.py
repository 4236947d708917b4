"""The reference against another architecture, from the ranks of the examples in each run: no torch, no fleets.

a, b, more: ranks (R, N) of R runs each, as shares of N; a and `more` are of one architecture, b is of the other, or
of the same one, as the control.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from isthmus.difficulty.fingerprint import by_sensitivity, told_first
from isthmus.difficulty.ranks import correlation
from isthmus.difficulty.sensitivity import significant, welch

Array = np.ndarray


def by_unit(a: Array, b: Array, more: Array, tenth: float) -> dict[str, Array]:
    """For each run k of both (R,): columns of the table `bias`.

    within, between: rank correlation of run k of a with run k of `more`, and of b. hits, hits_without: share of
    examples that pass Bonferroni's line, by all runs and with run k of both left out. most, least: shift of rank
    from run k of a to that of b of the `tenth` of the examples that are most (least) sensitive by the half of the
    runs that k is not in, each in the direction that it has there.
    """
    runs, half = len(a), len(a) // 2
    others = [np.delete(np.arange(runs), k) for k in range(runs)]
    shifts = {"most": np.empty(runs), "least": np.empty(runs)}
    for test, train in ((slice(0, half), slice(half, runs)), (slice(half, runs), slice(0, half))):
        order, t = by_sensitivity(a[train], b[train]), welch(a[train], b[train])[0]
        moved = np.sign(t) * (a[test] - b[test])
        count = max(1, round(tenth * a.shape[1]))
        shifts["most"][test] = moved[:, order[:count]].mean(axis=1)
        shifts["least"][test] = moved[:, order[-count:]].mean(axis=1)
    return {
        "within": correlation(a, more),
        "between": correlation(a, b),
        "hits": np.full(runs, _hits(a, b)),
        "hits_without": np.array([_hits(a[kept], b[kept]) for kept in others]),
        **shifts,
    }


def _hits(a: Array, b: Array) -> float:
    return float(significant(welch(a, b)[1]).mean())


SELECTIONS = ("sensitive", "random", "random_again", "insensitive", "shuffled", "shuffled_random")


def told(a: Array, b: Array, sizes: Sequence[int], splits: int, rng: np.random.Generator) -> dict[str, Array]:
    """Selection -> how often each run (2 R, sizes) is told right, over splits of each group's runs into halves.

    Examples are selected, and the means of both groups taken, by one half; the runs of the other half are told
    apart; then the halves change places, so that a split tells every run once. The order of runs is that of a,
    then b. random_again: other random examples. shuffled: as sensitive, all labels of architectures drawn anew in
    each split.
    """
    count, ranked = len(a), np.concatenate([a, b])
    right = {name: np.zeros((2 * count, len(sizes))) for name in SELECTIONS}
    for _ in range(splits):
        true = np.arange(2 * count) < count
        orders = {name: rng.permutation(a.shape[1]) for name in ("random", "random_again", "shuffled_random")}
        for labels, names in ((true, SELECTIONS[:4]), (rng.permutation(true), SELECTIONS[4:])):
            for train, test in _halves(labels, rng):
                first, second = ranked[train & labels], ranked[train & ~labels]
                sensitive = by_sensitivity(first, second)
                chosen = orders | {"sensitive": sensitive, "insensitive": sensitive[::-1], "shuffled": sensitive}
                for name in names:
                    is_first = told_first(first, second, ranked[test], chosen[name], sizes).T
                    right[name][test] += np.where(labels[test, None], is_first, 1 - is_first)
    return {name: total / splits for name, total in right.items()}


def _halves(labels: Array, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
    """(train, test), each bool (2 R,): half of the runs of each label, and the rest; then the other way round."""
    train = np.zeros(len(labels), dtype=bool)
    for label in (True, False):
        runs = np.flatnonzero(labels == label)
        train[rng.permutation(runs)[: len(runs) // 2]] = True
    yield train, ~train
    yield ~train, train


def rows_told(found: dict[str, Array], sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Rows of a table: selection, k, run, accuracy."""
    return [
        {"selection": name, "k": k, "run": run, "accuracy": value}
        for name, table in found.items()
        for place, k in enumerate(sizes)
        for run, value in enumerate(table[:, place].tolist())
    ]
