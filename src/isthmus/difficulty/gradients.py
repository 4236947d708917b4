"""Variance of gradients: how much the gradient by an example's pixels changes along training (Agarwal et al.
2022)."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from isthmus.engine.architecture import Architecture

Array = np.ndarray
Of = Literal["probability", "loss", "logit"]


def pixel_gradients(architecture: Architecture, theta: Tensor, x: Tensor, y: Tensor, of: Of) -> Tensor:
    """Gradients (R, N, *shape) by the inputs x (N, *shape) with labels y (N,) of rows theta (R, P).

    of: the label's probability ("class VoG"), the loss ("loss VoG"), or the label's logit (the original).
    """
    inputs = x.expand(len(theta), *x.shape).clone().requires_grad_()
    logits = architecture.logits(theta, inputs)
    values = logits if of == "logit" else logits.log_softmax(-1)
    chosen = values.gather(-1, y.expand(logits.shape[:-1]).unsqueeze(-1))
    total = {"probability": chosen.exp(), "loss": -chosen, "logit": chosen}[of].sum()
    return torch.autograd.grad(total, inputs)[0]


def variance_of_gradients(gradients: Array, original: bool = False) -> Array:
    """Mean over pixels of the variance over checkpoints (..., N); larger is harder.

    gradients (..., K, N, channels, pixels), averaged over channels first. By default the unbiased variance, as in
    the authors' code; `original`: the square root, per pixel, of that with 1 / K (Agarwal et al. 2022).
    """
    grey = np.asarray(gradients, dtype=np.float64).mean(axis=-2)
    spread = grey.std(axis=-3) if original else grey.var(axis=-3, ddof=1)
    return spread.mean(axis=-1)


def within_class(scores: Array, labels: Array) -> Array:
    """Scores (..., N) as standard scores within each class, as the original VoG ranks them."""
    scores = np.asarray(scores, dtype=np.float64)
    found = np.empty_like(scores)
    for label in np.unique(labels):
        mine = scores[..., labels == label]
        found[..., labels == label] = (mine - mine.mean(axis=-1, keepdims=True)) / mine.std(axis=-1, keepdims=True)
    return found
