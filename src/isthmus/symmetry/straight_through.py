"""The straight-through estimator (Ainsworth et al. 2022, algorithm 2): a permutation found by training.

A copy theta~ of A is trained so that the permutation that matches B to it makes a good midpoint between A and B.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.engine.architecture import Architecture
from isthmus.engine.losses import per_example
from isthmus.engine.streams import stream
from isthmus.symmetry.matching import weight_matching
from isthmus.symmetry.table import Perms, group_sizes, identity, permute


def midpoint_gradient(
    architecture: Architecture, theta_a: Tensor, theta_b: Tensor, free: Tensor, x: Tensor, y: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy (K,) at the midpoint of theta_a and the permuted theta_b, and its gradient (K, P).

    The gradient is that for `free`, which stands in for theta_b straight through: half of the midpoint's.
    """
    free = free.detach().requires_grad_()
    middle = (theta_a + (theta_b + (free - free.detach()))) / 2
    losses = per_example("cross_entropy", architecture.logits(middle, x), y).mean(1)
    # A network's loss depends on its own row only, so the gradient of the sum holds everyone's.
    (gradient,) = torch.autograd.grad(losses.sum(), free)
    return losses.detach(), gradient


@dataclass(frozen=True)
class Trained:
    """perms: group -> (K, n), those of the lowest batch loss; losses (steps, K): midpoint loss of each batch."""

    perms: Perms
    losses: Tensor


def straight_through(
    architecture: Architecture,
    theta_a: Tensor,
    theta_b: Tensor,
    x: Tensor,
    y: Tensor,
    steps: int = 300,
    batch: int = 500,
    lr: float = 1e-2,
    momentum: float = 0.9,
    seed: int = 0,
) -> Trained:
    """Train permutations of theta_b (K, P) towards theta_a (K, P) on inputs x (N, *shape) with labels y.

    Each update matches B to theta~ (`git_rebasin`, from the last permutation), and takes a step of SGD with
    momentum on the midpoint's loss. Batches depend on the seed, not on the pair.
    """
    layout, axes = architecture.layout, architecture.axes
    free, velocity = theta_a.clone(), torch.zeros_like(theta_a)
    perms = best = identity(group_sizes(layout, axes), len(theta_a))
    lowest = torch.full((len(theta_a),), torch.inf)
    history = []
    for step in range(steps):
        perms = weight_matching(layout, axes, free, theta_b, restarts=0, seed=seed, start=perms).perms
        picked = torch.from_numpy(stream(seed, "straight-through", step).permutation(len(x))[:batch])
        permuted = permute(layout, axes, perms, theta_b)
        losses, gradient = midpoint_gradient(architecture, theta_a, permuted, free, x[picked], y[picked])
        lower = losses < lowest
        best = {group: torch.where(lower.unsqueeze(1), p, best[group]) for group, p in perms.items()}
        lowest = torch.where(lower, losses, lowest)
        velocity = momentum * velocity + gradient
        free = free - lr * velocity
        history.append(losses)
    return Trained(best, torch.stack(history))
