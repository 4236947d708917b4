"""Scores (R, P) for pruning at initialisation, by one batch's derivatives: the weights of largest score are kept.

A row's loss depends on that row alone, so derivatives of the sum of all losses hold everyone's own.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from isthmus.engine.architecture import Architecture
from isthmus.engine.losses import per_example
from isthmus.engine.streams import stream

# Losses (R,) of rows.
Losses = Callable[[Tensor], Tensor]


def balanced(labels: Tensor, each: int, seed: int) -> Tensor:
    """Places (C * each,) of `each` random examples of each of C classes, class by class; depends on the seed alone.

    labels: (N,), of classes 0 ... C - 1. Raises ValueError where a class has fewer examples.
    """
    order = torch.from_numpy(stream(seed, "balanced batch").permutation(len(labels))).to(labels.device)
    found = [order[labels[order] == label][:each] for label in range(int(labels.max()) + 1)]
    fewest = min(map(len, found))
    if fewest < each:
        raise ValueError(f"balanced batch: wanted {each} examples of each class, found {fewest} of one")
    return torch.cat(found)


def snip(
    architecture: Architecture,
    theta: Tensor,
    x: Tensor,
    y: Tensor,
    loss: str = "cross_entropy",
    training: bool = True,
) -> Tensor:
    """|w dL/dw| (R, P) of the mean loss of rows (R, P): SNIP's connection sensitivity (Lee et al. 2019).

    x: inputs shared (N, *shape) or each row's own (R, N, *shape), y: labels (N,) or (R, N). training: BatchNorm
    takes the batch's statistics, not the row's. The paper divides by a row's sum, which changes no order.
    """

    def score(theta: Tensor, losses: Losses) -> Tensor:
        (gradient,) = torch.autograd.grad(losses(theta).sum(), theta)
        return (theta * gradient).abs()

    return _by_blocks(architecture, theta, x, y, loss, 1.0, training, score)


def grasp(
    architecture: Architecture,
    theta: Tensor,
    x: Tensor,
    y: Tensor,
    loss: str = "cross_entropy",
    temperature: float = 200.0,
    training: bool = True,
) -> Tensor:
    """w (H g) (R, P), H and g the Hessian and the gradient of the mean loss of rows (R, P) by all they train.

    This is minus S(-w) of GraSP (Wang et al. 2020, algorithm 1), which prunes the largest S: to first order, half
    of what |g|^2 loses with the weight. temperature: the logits are divided by it (200 in their code). x, y and
    training as in `snip`.
    """

    def score(theta: Tensor, losses: Losses) -> Tensor:
        # PyTorch's fused attention has no second derivative.
        with sdpa_kernel(SDPBackend.MATH):
            (gradient,) = torch.autograd.grad(losses(theta).sum(), theta, create_graph=True)
            (product,) = torch.autograd.grad((gradient.detach() * gradient).sum(), theta)
        return theta * product

    return _by_blocks(architecture, theta, x, y, loss, temperature, training, score)


def _by_blocks(
    architecture: Architecture,
    theta: Tensor,
    x: Tensor,
    y: Tensor,
    loss: str,
    temperature: float,
    training: bool,
    score: Callable[[Tensor, Losses], Tensor],
) -> Tensor:
    """Scores (R, P) of the rows, as many at once as fit; the batch stays whole, since BatchNorm reads all of it."""
    if x.ndim == len(architecture.shape) + 1:
        x = x.expand(len(theta), *x.shape)
    y = y.expand(x.shape[:2])
    step, found = architecture.rows_at_once(x.shape[1]), []
    for start in range(0, len(theta), step):
        rows = slice(start, start + step)

        def losses(theta: Tensor, rows: slice = rows) -> Tensor:
            logits = architecture.logits(theta, x[rows], training=training)
            return per_example(loss, logits / temperature, y[rows]).mean(1)

        found.append(score(theta[rows].detach().clone().requires_grad_(), losses).detach())
    return torch.cat(found)
