"""The forgetting family one checkpoint at a time, for training runs too long to keep every checkpoint of.

A network may see only some of the examples at a time, as for forgetting within minibatches (Toneva et al. 2019).
"""

import numpy as np

Array = np.ndarray


class Online:
    """Counts of N examples: `forgetting_events`, `first_learn` and `learned` as in forgetting.py, each (N,)."""

    def __init__(self, examples: int) -> None:
        self._seen, self._events = (np.zeros(examples, dtype=np.int64) for _ in range(2))
        self._first, self._last_wrong = (np.full(examples, -1, dtype=np.int64) for _ in range(2))
        self._right = np.zeros(examples, dtype=bool)

    def see(self, correct: Array, places: Array | None = None) -> None:
        """One more checkpoint of the examples at these places (all by default, each once): right or not (n,),
        bool."""
        at = np.arange(len(self._seen)) if places is None else np.asarray(places)
        correct = np.asarray(correct, dtype=bool)
        self._events[at] += self._right[at] & ~correct
        self._first[at] = np.where((self._first[at] < 0) & correct, self._seen[at], self._first[at])
        self._last_wrong[at] = np.where(correct, self._last_wrong[at], self._seen[at])
        self._right[at] = correct
        self._seen[at] += 1

    @property
    def forgetting_events(self) -> Array:
        """How often right was followed by wrong; infinity if never right."""
        return np.where(self._first < 0, np.inf, self._events)

    @property
    def first_learn(self) -> Array:
        """The first of an example's checkpoints at which it was right, from 0; their number if none."""
        return np.where(self._first < 0, self._seen, self._first)

    @property
    def learned(self) -> Array:
        """The first of an example's checkpoints from which on it was always right; their number if the last is
        wrong."""
        return self._last_wrong + 1
