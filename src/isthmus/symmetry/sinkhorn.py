"""Sinkhorn re-basin (Pena et al. 2023): soft permutations, made from matrices of scores and learned by gradient.

Sinkhorn's operator turns any matrix into a nearly doubly stochastic one, differentiably; the assignment of the
learned scores is the permutation.
"""

import torch
from torch import Tensor

from isthmus.engine.layout import Layout
from isthmus.symmetry.assignment import assignment
from isthmus.symmetry.table import Axes, Perms, group_sizes


def sinkhorn(scores: Tensor, temperature: float = 1.0, iterations: int = 20) -> Tensor:
    """Nearly doubly stochastic matrices (..., n, n), rows and columns of sum 1, from scores (..., n, n).

    exp(scores / temperature), its columns and then its rows scaled to 1, `iterations` times, in logarithms. As
    the temperature falls the result tends to the permutation matrix of the largest total score. A cost is a
    negative score. Gradient by autograd through the loop (the paper differentiates implicitly: equal once
    converged).
    """
    log = scores / temperature
    for _ in range(iterations):
        log = log - log.logsumexp(-2, keepdim=True)
        log = log - log.logsumexp(-1, keepdim=True)
    return log.exp()


def soft_permute(layout: Layout, axes: Axes, soft: dict[str, Tensor], theta: Tensor) -> Tensor:
    """Rows (K, P) whose unit i is sum_j soft[group][k, i, j] times unit j: `permute` for matrices (K, n, n)."""
    parts = {}
    for name, part in layout.split(theta).items():
        for axis, group in enumerate(axes[name]):
            if group is not None:
                part = mix(part, axis, soft[group])
        parts[name] = part
    return layout.join(parts)


def mix(part: Tensor, axis: int, soft: Tensor) -> Tensor:
    """A parameter (K, *shape) whose entry i on this axis of the shape is sum_j soft[k, i, j] times entry j."""
    units = part.movedim(axis + 1, 1)
    mixed = soft @ units.reshape(*units.shape[:2], -1)
    return mixed.reshape(*mixed.shape[:2], *units.shape[2:]).movedim(1, axis + 1)


def sinkhorn_matching(
    layout: Layout, axes: Axes, theta_a: Tensor, theta_b: Tensor, steps: int = 100, lr: float = 0.1
) -> Perms:
    """Permutations of theta_b (K, P) that bring it near theta_a in mean squared distance of parameters.

    Scores start at the identity and follow AdamW (its default weight decay); temperature 1, 20 iterations, as in
    the authors' example. Of their losses this is the one that needs no data.
    """
    scores = {
        group: torch.eye(n, dtype=theta_a.dtype, device=theta_a.device).repeat(len(theta_a), 1, 1).requires_grad_()
        for group, n in group_sizes(layout, axes).items()
    }
    optimizer = torch.optim.AdamW(scores.values(), lr=lr)
    for _ in range(steps):
        soft = {group: sinkhorn(score) for group, score in scores.items()}
        distance = (theta_a - soft_permute(layout, axes, soft, theta_b)).square().mean(1)
        optimizer.zero_grad()
        # A pair's distance depends on its own scores only, and AdamW works entry by entry.
        distance.sum().backward()
        optimizer.step()
    return {group: assignment(score) for group, score in scores.items()}
