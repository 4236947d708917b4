"""The gradient of R multilayer perceptrons by the formula, without autograd: the same products, none of its copies.

Each layer's gradient is written where it belongs in the fleet's matrix of gradients (Rumelhart et al. 1986,
eqs. 5-7).
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

_aten = torch.ops.aten

# Activation -> it, and the gradient before it from the gradient behind it and its own value, both in place.
FORMULAS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    "relu": (torch.relu_, lambda g, h: _aten.threshold_backward.grad_input(g, h, 0.0, grad_input=g)),
    "tanh": (torch.tanh_, lambda g, h: _aten.tanh_backward.grad_input(g, h, grad_input=g)),
    "sigmoid": (torch.sigmoid_, lambda g, h: _aten.sigmoid_backward.grad_input(g, h, grad_input=g)),
    "identity": (lambda x: x, lambda g, h: g),
}


@torch.no_grad()
def write_gradient(
    module: nn.Module,
    x: Tensor,
    criterion: Callable[[Tensor], tuple[Tensor, Tensor]],
    into: Mapping[str, Tensor],
) -> Tensor:
    """What the criterion gives first, once the gradient of each parameter of an MLP (R, *shape) stands in `into`.

    x: inputs (R, N, *shape). criterion: logits (R, N, C) -> (losses, their gradient by the logits).
    """
    activation, slope = FORMULAS[module.named_activation]
    layers, dropouts = list(module.layers), module.dropouts
    # What each layer takes, and what each activation gave.
    taken, given = [x.flatten(2)], []
    for level, layer in enumerate(layers[:-1]):
        given.append(activation(torch.baddbmm(layer.bias.unsqueeze(1), taken[-1], layer.weight.mT)))
        taken.append(given[-1] if dropouts is None else given[-1] * dropouts[level].keep)
    head = layers[-1]
    losses, gradient = criterion(torch.baddbmm(head.bias.unsqueeze(1), taken[-1], head.weight.mT))
    for level in reversed(range(len(layers))):
        torch.bmm(gradient.mT, taken[level], out=into[f"layers.{level}.weight"])
        torch.sum(gradient, 1, out=into[f"layers.{level}.bias"])
        if level > 0:
            gradient = torch.bmm(gradient, layers[level].weight)
            if dropouts is not None:
                gradient *= dropouts[level - 1].keep
            gradient = slope(gradient, given[level - 1])
    return losses
