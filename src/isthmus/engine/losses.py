"""Losses per example, leading axes free."""

import torch
from torch import Tensor
from torch.nn import functional

LOSSES = ("cross_entropy", "squared")


def per_example(name: str, logits: Tensor, labels: Tensor) -> Tensor:
    """Loss (..., N) of logits (..., N, C) for labels (..., N) or (N,).

    cross_entropy: nats. squared: half the squared distance to the one-hot label.
    """
    labels = labels.expand(logits.shape[:-1])
    if name == "squared":
        return 0.5 * (logits - functional.one_hot(labels, logits.shape[-1])).square().sum(-1)
    # As one list of examples, which PyTorch has a single fused kernel for.
    flat = functional.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction="none")
    return flat.view(labels.shape)


def with_gradient(name: str, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Loss per example, as `per_example`, and its gradient (..., N, C) by the logits; labels (..., N)."""
    labels = labels.unsqueeze(-1)
    if name == "squared":
        away = logits.scatter_add(-1, labels, torch.full_like(labels, -1, dtype=logits.dtype))
        return 0.5 * away.square().sum(-1), away
    logs = functional.log_softmax(logits, -1)
    losses = -logs.gather(-1, labels).squeeze(-1)
    return losses, logs.exp_().scatter_add_(-1, labels, torch.full_like(losses, -1).unsqueeze(-1))
