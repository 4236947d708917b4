"""The linear layers of a network, met one after another with what they put out: the units' pre-activations.

A hook before each layer works the layer's output out and shows it. The layer's weights are views of the rows, so
whoever looks may correct them there and then: the layer itself, and all behind it, run corrected.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from isthmus.engine.architecture import Architecture
from isthmus.models.attention import Attention
from isthmus.models.images import Conv2d, ImageLinear, units
from isthmus.models.layers import Linear, linear
from isthmus.models.rnn import Recurrent

_KNOWN = (Linear, Conv2d, ImageLinear, Attention, Recurrent, nn.Linear, nn.Conv2d)


@dataclass(frozen=True)
class Layer:
    """One linear layer of R networks at work.

    name: of its weight in the row. weight (R, *units, ...) and bias (R, *units) or None: views of the rows.
    out (R, S, n): what its n units put out for S samples, every place or time of every input.
    """

    name: str
    weight: Tensor
    bias: Tensor | None
    out: Tensor

    def correct(self, factor: Tensor, shift: Tensor) -> None:
        """Have units that put out z put out factor * z + shift, both (R, n), from now on.

        Raises ValueError for a layer without a bias.
        """
        if self.bias is None:
            raise ValueError(f"wanted a bias to shift the units of {self.name!r}, found none: see with_biases")
        own = self.bias.shape
        self.weight.mul_(factor.to(self.weight.dtype).view(*own, *(1,) * (self.weight.ndim - len(own))))
        self.bias.copy_(self.bias * factor.view(own) + shift.view(own))


@torch.no_grad()
def walk(architecture: Architecture, theta: Tensor, x: Tensor, visit: Callable[[slice, Layer], None]) -> None:
    """Run rows (K, P) on inputs x (N, *shape), and visit(rows, layer) each linear layer but the head, in order.

    A recurrent layer is linear in its inputs: what it makes of these at all times counts, not what it feeds back to
    itself. All of x goes through at once, so that a layer's output is complete before any layer behind it begins:
    that takes a few times 4 N `architecture.widest` bytes.
    Raises ValueError for a network with weights in other layers, or in some that it does not call as modules.
    """
    # In the kernel regime too the units are those of the network, not of its difference to theta_0.
    architecture, together = replace(architecture, lazy=None), not architecture.one_by_one(len(x))
    step, trunk = architecture.rows_at_once(len(x)), _trunk(architecture, theta.device)
    for start in range(0, len(theta), step):
        rows = slice(start, min(start + step, len(theta)))

        def hook(part: nn.Module, given: tuple, rows: slice = rows) -> None:
            for layer in _layers(trunk[part], part, given[0], together):
                visit(rows, layer)

        hooks = [part.register_forward_pre_hook(hook) for part in trunk]
        try:
            architecture.logits(theta[rows], x)
        finally:
            for handle in hooks:
                handle.remove()


def _trunk(architecture: Architecture, device: torch.device) -> dict[nn.Module, str]:
    """Parts with linear layers and their names, in the order in which one example meets them; without the head."""
    met: dict[nn.Module, str] = {}
    names = {part: name for name, part in architecture.module.named_modules() if isinstance(part, _KNOWN)}
    hooks = [part.register_forward_pre_hook(lambda part, given: met.update({part: names[part]})) for part in names]
    try:
        row, x = torch.zeros(1, architecture.layout.size), torch.zeros(1, *architecture.shape)
        architecture.logits(row.to(device), x.to(device))
    finally:
        for handle in hooks:
            handle.remove()
    reached = {f"{name}.{own}" for part, name in met.items() for own, _ in part.named_parameters()}
    weights = [name for name, slot in architecture.layout.slots.items() if slot.role.kind == "weight"]
    if beyond := [name for name in weights if name not in reached]:
        wanted = "wanted linear layers and convolutions of images, called as modules"
        raise ValueError(f"{wanted}; found other layers with {', '.join(beyond)}")
    met.popitem()
    return met


def _layers(prefix: str, part: nn.Module, x: Tensor, together: bool) -> Iterator[Layer]:
    """The linear layers of one part, each made when those before it may have been corrected."""
    for name, bias_name, out in _products(part, x, together):
        weight, bias = getattr(part, name), getattr(part, bias_name)
        if not together:
            weight, bias, out = (None if value is None else value.unsqueeze(0) for value in (weight, bias, out))
        yield Layer(f"{prefix}.{name}", weight, bias, out.flatten(1, -2))


def _products(part: nn.Module, x: Tensor, together: bool) -> Iterator[tuple[str, str, Tensor]]:
    """Names of the weight and the bias of each layer of a part, and what they make of its input, units last."""
    match part:
        case Conv2d() | nn.Conv2d():
            yield "weight", "bias", units(part.forward(x), len(part.weight) if together else None)
        case Attention():
            match_bias, value_bias = part.match_bias.flatten(-3), part.value_bias.flatten(-2)
            yield "match_weight", "match_bias", linear(x, part.match_weight.flatten(-4, -2), match_bias)
            yield "value_weight", "value_bias", linear(x, part.value_weight.flatten(-3, -2), value_bias)
            yield "out_weight", "out_bias", part.forward(x)[0]
        case Recurrent():
            weight, bias = part.into_weight, part.bias
            if part.gated:
                weight, bias = weight.flatten(-3, -2), bias.flatten(-2)
            yield "into_weight", "bias", linear(x, weight, bias)
        case _:
            yield "weight", "bias", part.forward(x)
