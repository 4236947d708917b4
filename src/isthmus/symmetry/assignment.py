"""Linear assignments: the permutation of the largest total score, for many tables of scores, on all cores.

Most of the work of one is to rule out partners that are never chosen; a search that only wants to go up need not.
"""

import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from torch import Tensor

# The number of units from which it pays to try likely partners first.
MANY = 192

Job, Done = TypeVar("Job"), TypeVar("Done")


def assignment(scores: Tensor) -> Tensor:
    """Permutations (K, n) that maximise sum_i scores[k, i, p[i]]; the identity where a score is not finite."""
    tables = scores.detach().cpu().numpy()
    return torch.from_numpy(np.stack(at_once(best, tables))).to(scores.device)


def best(scores: np.ndarray) -> np.ndarray:
    """The permutation (n,) that maximises sum_i scores[i, p[i]]; the identity where a score is not finite."""
    try:
        return linear_sum_assignment(scores, maximize=True)[1]
    except ValueError:  # scipy's answer to a score that is not finite: a diverged network
        return np.arange(len(scores))


def likely(scores: np.ndarray) -> np.ndarray:
    """The permutation (n,) of the largest total among those that give each unit a likely partner or its own number.

    Likely are the highest eighth of a row's scores. Nearly always this is the best of all, in a third of the time;
    that it is nobody checks. The identity where a score is not finite.
    """
    n = len(scores)
    if not np.isfinite(scores.sum()):
        return np.arange(n)
    keep = scores >= np.partition(scores, n - n // 8, axis=1)[:, n - n // 8, None]
    keep.flat[:: n + 1] = True
    kept = np.flatnonzero(keep)
    ends = np.concatenate([[0], np.cumsum(np.count_nonzero(keep, axis=1))])
    # Costs, the least of them far from zero, which the library would take for no edge.
    costs = scores.ravel()[kept].astype(np.float64)
    highest = costs.max()
    costs = highest - costs + max(highest - costs.min(), np.finfo(np.float64).tiny)
    graph = csr_array((costs, (kept % n).astype(np.int32), ends.astype(np.int32)), shape=(n, n))
    return min_weight_full_bipartite_matching(graph)[1].astype(np.int64)


def at_once(do: Callable[[Job], Done], jobs: Iterable[Job]) -> list[Done]:
    """do(job) for each, in their order, by as many threads as there are cores: what a job comes to is its own."""
    with ThreadPoolExecutor(_cores()) as pool:
        return list(pool.map(do, jobs))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
