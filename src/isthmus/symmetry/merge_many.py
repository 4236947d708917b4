"""MergeMany (Ainsworth et al. 2022, algorithm 3): several networks in one order of units, and their mean.

Each network in turn is matched to the mean of the others. That brings it nearer to all of them together, so the
networks' spread about their mean never grows, and the search comes to rest.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.engine.layout import Layout
from isthmus.engine.streams import stream
from isthmus.symmetry.matching import weight_matching
from isthmus.symmetry.table import Axes, Perms, compose, group_sizes, identity, permute


@dataclass(frozen=True)
class Merged:
    """theta (K, P): the mean of each set, its networks in perms (group -> (K, M, n)).

    spread (K, T): mean squared distance of a set's networks from their mean, at first and after each sweep,
    float64; constant after a set's last sweep.
    """

    theta: Tensor
    perms: Perms
    spread: Tensor


def merge_many(layout: Layout, axes: Axes, theta: Tensor, seed: int = 0, sweeps: int = 100) -> Merged:
    """The merged networks (K, P) of K sets of M networks each, theta (K, M, P).

    A sweep matches every network of a set once, from where it is (`git_rebasin`, no restarts), in random order; a
    set is done after a sweep in which none of its units moved. Orders depend on the seed, not on the set: a set
    does not know its neighbours. ValueError for sets of fewer than two networks.
    """
    count, many = theta.shape[:2]
    if many < 2:
        raise ValueError(f"merging: wanted sets of two networks or more, found {many}")
    sizes = group_sizes(layout, axes)
    perms = {group: p.unsqueeze(1).repeat(1, many, 1) for group, p in identity(sizes, count).items()}
    current, spread = theta.clone(), [_spread(theta)]
    open_sets = torch.arange(count)
    for sweep in range(sweeps):
        moved = torch.zeros(len(open_sets), dtype=torch.bool)
        for member in stream(seed, "merge", sweep).permutation(many):
            own = current[open_sets, member]
            others = (current[open_sets].sum(1) - own) / (many - 1)
            found = weight_matching(layout, axes, others, own, restarts=0, seed=seed).perms
            current[open_sets, member] = permute(layout, axes, found, own)
            before = {group: p[open_sets, member] for group, p in perms.items()}
            for group, p in compose(before, found).items():
                moved |= (p != before[group]).any(1)
                perms[group][open_sets, member] = p
        spread.append(_spread(current))
        open_sets = open_sets[moved]
        if not len(open_sets):
            break
    return Merged(current.mean(1), perms, torch.stack(spread, dim=1))


def _spread(theta: Tensor) -> Tensor:
    """Mean squared distance (K,) of networks (K, M, P) from their mean."""
    return torch.stack([(rows - rows.mean(0)).square().sum(1).mean() for rows in theta.double()])
