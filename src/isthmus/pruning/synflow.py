"""SynFlow: pruning without data, by the flow through each weight of the network made linear and positive.

What flows into a unit flows out of it, so all layers have the same score, which the fewer weights of a small one
share: pruned little by little, no layer is lost before the others.
"""

from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor, nn

from isthmus.engine.architecture import Architecture
from isthmus.models.attention import Attention
from isthmus.models.layers import BatchNorm, LayerNorm
from isthmus.models.rnn import Recurrent
from isthmus.pruning.masks import Slots, largest

_NORMS = (LayerNorm, BatchNorm, nn.LayerNorm, nn.GroupNorm)


def flow(architecture: Architecture, theta: Tensor) -> Tensor:
    """|w| dR/d|w| (R, P) of rows (R, P), float64: the SynFlow score (Tanaka et al. 2020).

    R is the sum of the outputs on an input of ones, with |w| for w, and without the network's biases,
    normalisations and activations: 1^T |W_L| ... |W_1| 1. In float64, since it grows with the depth as a product.
    Raises ValueError for attention and gates, which have no such form.
    """
    return _flow(_linear(architecture), theta)


def synflow(
    architecture: Architecture, slots: Slots, theta: Tensor, density: float, iterations: int = 100
) -> Tensor:
    """The mask (R, P) of rows theta (R, P) after so many iterations (Tanaka et al. 2020, algorithm 1).

    Iteration k keeps the density^(k / iterations) of largest flow, of all layers together, in what is left by then.
    """
    linear, mask = _linear(architecture), torch.ones_like(theta, dtype=torch.bool)
    for k in range(1, iterations + 1):
        mask = largest(slots, _flow(linear, theta * mask), mask, density ** (k / iterations))
    return mask


def _flow(linear: Architecture, theta: Tensor) -> Tensor:
    theta = theta.detach().double().abs()
    for slot in linear.layout.slots.values():
        if slot.role.kind == "bias":
            theta[:, slot.start : slot.stop] = 0.0
    ones = torch.ones(1, *linear.shape, dtype=torch.float64, device=theta.device)
    step, found = linear.rows_at_once(1), []
    for start in range(0, len(theta), step):
        rows = theta[start : start + step].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(linear.logits(rows, ones).sum(), rows)
        found.append(rows.detach() * gradient)
    return torch.cat(found)


def _linear(architecture: Architecture) -> Architecture:
    """The architecture without normalisations and activations, which rows of the same layout still fit."""
    module = deepcopy(architecture.module)
    for name, part in list(module.named_modules()):
        if isinstance(part, Attention | nn.MultiheadAttention) or (isinstance(part, Recurrent) and part.gated):
            raise ValueError(f"synflow: wanted layers that are linear in their weights, found {name!r}")
        if isinstance(part, _NORMS):
            module.set_submodule(name, nn.Identity())
        elif hasattr(part, "activation"):
            part.activation = nn.Identity()
    return replace(architecture, module=module)
