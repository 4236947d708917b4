"""Adam and AdamW, on rows."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

Settings = Mapping[str, Any]


def init(theta: Tensor, settings: Settings) -> dict[str, Tensor]:
    """The state before the first update: both moments at zero."""
    return {"first": torch.zeros_like(theta), "second": torch.zeros_like(theta)}


def update(
    theta: Tensor,
    gradient: Tensor,
    state: dict[str, Tensor],
    rate: Tensor,
    step: int,
    settings: Mapping[str, Any],
) -> None:
    """Change rows (R, P) and state in place; rate (R, 1), step counts from 0.

    m <- b1 m + (1 - b1) g; v <- b2 v + (1 - b2) g^2; theta <- theta - rate mhat / (sqrt(vhat) + eps)
    (Kingma & Ba 2015, algorithm 1). With `decoupled` the decay is theta <- theta - rate decay theta
    (AdamW, Loshchilov & Hutter 2019, algorithm 2), otherwise it is added to the gradient.
    """
    beta1, beta2 = settings.get("betas", (0.9, 0.999))
    decay, eps = settings.get("weight_decay", 0.0), settings.get("eps", 1e-8)
    if decay and settings.get("decoupled", False):
        theta.addcmul_(theta, rate, value=-decay)
    elif decay:
        gradient = gradient.add(theta, alpha=decay)
    first = state["first"].mul_(beta1).add_(gradient, alpha=1 - beta1)
    second = state["second"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    scale = (second / (1 - beta2 ** (step + 1))).sqrt_().add_(eps)
    theta.addcdiv_(first * rate, scale, value=-1 / (1 - beta1 ** (step + 1)))
