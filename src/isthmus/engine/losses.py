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
    # logsumexp - picked, not log_softmax: one pass less over the largest tensor.
    picked = logits.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    return torch.logsumexp(logits, dim=-1) - picked
