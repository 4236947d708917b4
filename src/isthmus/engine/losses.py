"""Losses per example, leading axes free.

Cross-entropy is written out: over a few classes PyTorch's own takes several times as long on a CPU. Shifted by the
largest logit, small losses keep their precision, and none is negative.
"""

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
    shifted = _shifted(logits)
    return shifted.exp().sum(-1).log() - shifted.gather(-1, labels.unsqueeze(-1)).squeeze(-1)


def with_gradient(name: str, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Loss per example, as `per_example`, and its gradient (..., N, C) by the logits; labels (..., N)."""
    labels = labels.unsqueeze(-1)
    if name == "squared":
        away = logits.scatter_add(-1, labels, torch.full_like(labels, -1, dtype=logits.dtype))
        return 0.5 * away.square().sum(-1), away
    shifted = _shifted(logits)
    picked = shifted.gather(-1, labels)
    parts = shifted.exp_()
    whole = parts.sum(-1, keepdim=True)
    losses = (whole.log() - picked).squeeze(-1)
    return losses, parts.div_(whole).scatter_add_(-1, labels, torch.full_like(picked, -1))


def _shifted(logits: Tensor) -> Tensor:
    """Logits less the largest, a constant to autograd: it adds nothing to any derivative."""
    return logits - logits.detach().amax(-1, keepdim=True)
