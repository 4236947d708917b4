"""How large networks are that have lost units: counted from widths, never from masks."""

from collections.abc import Iterator, Mapping
from math import prod

import torch
from torch import Tensor, nn

from isthmus.engine.architecture import Architecture
from isthmus.engine.layout import Slot
from isthmus.models.images import Conv2d, ImageLinear
from isthmus.models.layers import Linear
from isthmus.removal.cut import Live

# Layers whose weights each multiply once for every place of their output.
_LAYERS = (Linear, ImageLinear, Conv2d, nn.Linear, nn.Conv2d)


def parameters(architecture: Architecture, live: Live) -> Tensor:
    """How many parameters (R,) networks with these units left have, int64; statistics do not count."""
    counts = [count for _, slot, count in _counts(architecture, live) if slot.stop <= architecture.layout.trained]
    return torch.stack(counts).sum(0)


def flops(architecture: Architecture, live: Live) -> Tensor:
    """Operations (R,) of one example's forward pass, int64: two for each multiply-add of a weight.

    Biases, normalisations and activations do not count. Raises ValueError for a model with weights that belong to
    no linear layer or convolution.
    """
    layers = dict(architecture.module.named_modules())
    outputs = architecture.output_shapes
    total = torch.zeros(len(next(iter(live.values()))), dtype=torch.int64)
    for name, slot, count in _counts(architecture, live):
        layer = name.rpartition(".")[0]
        if slot.role.kind == "weight":
            if not isinstance(layers[layer], _LAYERS):
                raise ValueError(f"wanted weights of linear layers and convolutions, found {name}")
            total += 2 * count * (prod(outputs[layer]) // slot.shape[0])
    return total


def neuron_sparsity(live: Live) -> Tensor:
    """Share (R,) of the hidden units that are gone, float64."""
    return 1 - torch.cat([*live.values()], dim=1).double().mean(1)


def weight_sparsity(architecture: Architecture, live: Live) -> Tensor:
    """Share (R,) of the parameters that are gone, float64."""
    whole = {group: torch.ones_like(left) for group, left in live.items()}
    return 1 - parameters(architecture, live).double() / parameters(architecture, whole)


def _counts(architecture: Architecture, live: Mapping[str, Tensor]) -> Iterator[tuple[str, Slot, Tensor]]:
    """Of each parameter and statistic: its name, its slot, and how many of its scalars (R,) are left."""
    widths = {group: left.sum(1) for group, left in live.items()}
    one = torch.ones(len(next(iter(live.values()))), dtype=torch.int64)
    for name, slot in architecture.layout.slots.items():
        sizes = [one] + [widths.get(g, one * n) for g, n in zip(architecture.axes[name], slot.shape, strict=True)]
        yield name, slot, torch.stack(sizes).prod(0)
