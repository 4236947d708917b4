"""All scores of a block of runs, and how every two of them go together within it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.difficulty.ranks import correlation, ranks
from isthmus.engine.checkpoints import Counter
from isthmus.engine.fleet import Fleet
from isthmus.papers.example_difficulty.scores import (
    EARLY,
    from_logits,
    from_networks,
    of_held_out,
    of_runs,
    recorded,
)

Array = np.ndarray

FROM_LOGITS = (
    "mean_loss", "mean_confidence", "mean_margin", EARLY, "mean_entropy", "mean_max_confidence", "aum",
    "final_loss", "loss_variance", "mean_accuracy", "forgetting", "first_learn", "learned",
)  # fmt: skip


@dataclass(frozen=True)
class OfBlock:
    """Ranks by one score: of single runs (B, N), or None where it takes several; by each half of the runs (2, N);
    and by all of them (N,). NaN where it has no value."""

    singles: Array | None
    halves: Array
    whole: Array


def block_scores(
    fleet: Fleet, without: Fleet, settings: Mapping[str, Any], progress: Counter
) -> Iterator[dict[str, OfBlock]]:
    """The scores of each block of runs of the fleet, by name.

    C-score and memorisation come from the runs of `without`, whose halves are the same for every block.
    """
    size, early, half = settings["block"], settings["early"], settings["block"] // 2
    logits = from_logits(fleet, FROM_LOGITS, early, recorded(fleet), settings["runs"])
    networks = from_networks(fleet, early, settings["neighbours"], settings["clusters"], settings["runs"])
    middle = len(without.networks) // 2
    held = [of_held_out(without, rows) for rows in (slice(0, middle), slice(middle, None), slice(None))]
    for start in range(0, settings["runs"], size):
        rows = slice(start, start + size)
        of_each = []
        for _ in range(size):
            of_each.append(next(networks))
            progress.advance()
        singles = {name: ranks(values[rows]) for name, values in logits.items()}
        singles |= {name: ranks(np.stack([one[name] for one in of_each])) for name in of_each[0]}
        found = {
            name: OfBlock(of, of.reshape(2, half, -1).mean(axis=1), of.mean(axis=0)) for name, of in singles.items()
        }
        parts = [of_runs(fleet, slice(*ends)) for ends in ((start, start + half), (start + half, start + size))]
        found["agreement"] = OfBlock(None, ranks(np.stack(parts)), ranks(of_runs(fleet, rows)))
        for name in held[0]:
            first, second, whole = (_ranks_known(of[name]) for of in held)
            found[name] = OfBlock(None, np.stack([first, second]), whole)
        yield found


def matrices(scores: Mapping[str, OfBlock], rng: np.random.Generator) -> dict[str, Array]:
    """Spearman correlations (S, S) of every two scores of a block: see measure.covariance."""
    found = {name: np.empty((len(scores), len(scores))) for name in ("single", "averaged", "together", "permuted")}
    # One order for each score, the same against every other: the matrix is then one of correlations.
    shuffled = [of.whole[rng.permutation(len(of.whole))] for of in scores.values()]
    for i, a in enumerate(scores.values()):
        for j, b in enumerate(scores.values()):
            found["single"][i, j] = _crossed(a.singles, b.singles)
            found["averaged"][i, j] = _crossed(a.halves, b.halves)
            found["together"][i, j] = _known(a.whole, b.whole)
            found["permuted"][i, j] = 1.0 if i == j else _known(shuffled[i], shuffled[j])
    return found


def _crossed(a: Array | None, b: Array | None) -> float:
    """Mean correlation of a of one with b of the next, and the other way, over disjoint neighbours (2 K, N)."""
    if a is None or b is None:
        return float("nan")
    ways = [(a[0::2], b[1::2]), (a[1::2], b[0::2])]
    return float(np.mean([_known(x, y) for first, second in ways for x, y in zip(first, second, strict=True)]))


def _known(a: Array, b: Array) -> float:
    """Rank correlation over the examples (N,) that both have a value for."""
    both = ~np.isnan(a) & ~np.isnan(b)
    return float(correlation(ranks(a[both]), ranks(b[both])))


def _ranks_known(scores: Array) -> Array:
    """Ranks (N,) of those that have a value; NaN stays."""
    found = np.full(len(scores), np.nan)
    found[~np.isnan(scores)] = ranks(scores[~np.isnan(scores)])
    return found
