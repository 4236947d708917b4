"""Training rows of any function of rows: coefficients of equivariant networks, or scores of edge-popup."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from isthmus.engine.batches import Batches, steps_per_epoch
from isthmus.engine.recipe import Network
from isthmus.engine.schedules import factors
from isthmus.optimizers import adam, sgd

_OPTIMIZERS = {"adam": adam, "sgd": sgd}


@dataclass(frozen=True)
class Plan:
    """How rows are trained. settings: the optimizer's. schedule: a name and settings of engine/schedules.py."""

    optimizer: str
    lr: float
    epochs: int
    batch: int
    settings: Mapping[str, Any]
    schedule: tuple[str, Mapping[str, Any]] = ("constant", {})


def fit(
    logits: Callable[[Tensor, Tensor], Tensor],
    theta: Tensor,
    x: Tensor,
    y: Tensor,
    seeds: Sequence[int],
    plan: Plan,
    advance: Callable[[], None] = lambda: None,
) -> Tensor:
    """Rows (R, P) after training from `theta` on inputs (N, *shape) and labels (N,) by cross-entropy.

    logits: rows (R, P) and each row's inputs (R, B, *shape) -> (R, B, C). Row r sees batches that depend on
    seeds[r] alone, as the engine's networks do. advance is called after each epoch.
    """
    optimizer = _OPTIMIZERS[plan.optimizer]
    theta, per_epoch = theta.clone(), steps_per_epoch(len(x), plan.batch)
    batches = Batches([Network(seed, plan.lr) for seed in seeds], len(x), plan.batch)
    memory = optimizer.init(theta, plan.settings)
    name, settings = plan.schedule
    for step, factor in enumerate(factors(name, settings, plan.epochs * per_epoch)):
        chosen = batches.at(step)
        leaf = theta.detach().requires_grad_()
        loss = cross_entropy(logits(leaf, x[chosen]).flatten(0, 1), y[chosen].flatten(), reduction="sum")
        (gradient,) = torch.autograd.grad(loss / plan.batch, leaf)
        rate = torch.full((len(theta), 1), plan.lr * factor)
        optimizer.update(theta, gradient, memory, rate, step, plan.settings)
        if (step + 1) % per_epoch == 0:
            advance()
    return theta
