"""Adam and AdamW, on rows."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

Settings = Mapping[str, Any]


def init(theta: Tensor, settings: Settings) -> dict[str, Tensor]:
    """The state before the first update: both moments at zero."""
    return {"first": torch.zeros_like(theta), "second": torch.zeros_like(theta)}


def update(
    theta: Tensor,
    gradient: Tensor,
    state: dict[str, Tensor],
    rate: Tensor,
    step: int | Tensor,
    settings: Mapping[str, Any],
) -> None:
    """Change rows (R, P) and state in place; rate (R, 1), step () counts from 0.

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
    first, second = state["first"], state["second"]
    # PyTorch's own kernel, in one pass over each row. With a rate of one, from zero, it leaves the direction, since
    # each row has a rate of its own.
    direction = torch.zeros_like(theta, memory_format=torch.contiguous_format)
    # Updates before this one, which the kernel counts on.
    counts = [*torch.as_tensor(step, dtype=torch.float32, device=theta.device).repeat(len(theta))]
    adam(
        [*direction], [*gradient], [*first], [*second], [], counts, fused=True, amsgrad=False, maximize=False,
        beta1=beta1, beta2=beta2, lr=1.0, weight_decay=0.0, eps=eps,
    )  # fmt: skip
    theta.addcmul_(direction, rate)
