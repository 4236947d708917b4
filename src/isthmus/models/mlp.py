"""Multilayer perceptrons: linear layers with an activation between, and the symmetry of their hidden units."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from isthmus.models.initialise import draw

ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "identity": lambda x: x}


class MLP(nn.Module):
    """Linear layers `layers.0` ... `layers.L`; the last one, the head, has no activation."""

    def __init__(self, features: int, widths: list[int], classes: int, activation: str) -> None:
        super().__init__()
        sizes = [features, *widths, classes]
        # Empty, not initialised: the parameters' values always come from a row.
        self.layers = nn.ModuleList(nn.utils.skip_init(nn.Linear, a, b) for a, b in pairwise(sizes))
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Tensor, activations: bool = False) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Logits (N, classes) of inputs (N, *shape); with `activations`, also group -> (N, width) after the
        activation function, for every hidden layer."""
        hidden = {}
        x = x.flatten(1)
        for level, layer in enumerate(self.layers[:-1]):
            x = self.activation(layer(x))
            hidden[f"h{level}"] = x
        logits = self.layers[-1](x)
        return (logits, hidden) if activations else logits


def stacked(module: MLP, parameters: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """Logits (R, N, classes) of R networks at once on inputs (R, N, *shape), from parameters name -> (R, *shape).

    The same as `forward` under vmap, in fewer passes over memory: the bias goes into the product.
    """
    *hidden, head = [
        (parameters[f"layers.{level}.bias"].unsqueeze(1), parameters[f"layers.{level}.weight"].mT)
        for level in range(len(module.layers))
    ]
    x = x.flatten(2)
    for bias, weight in hidden:
        x = module.activation(torch.baddbmm(bias, x, weight))
    return torch.baddbmm(head[0], x, head[1])


def build(settings: Mapping[str, Any], shape: tuple[int, ...], classes: int) -> MLP:
    """The module for inputs of this shape; settings: widths, activation, init."""
    return MLP(int(np.prod(shape)), list(settings["widths"]), classes, settings["activation"])


def initialise(module: MLP, settings: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Tensor]:
    """Initial parameters by the scheme named `init`."""
    return draw(module, settings["init"], rng)


def symmetry(module: MLP) -> dict[str, tuple[str | None, ...]]:
    """Parameter name -> for each axis, the group whose permutation acts on it, or None.

    Group `h<l>` is the order of the units of hidden layer l.
    """
    last = len(module.layers) - 1
    table: dict[str, tuple[str | None, ...]] = {}
    for level in range(last + 1):
        unit = f"h{level}" if level < last else None
        table[f"layers.{level}.weight"] = (unit, f"h{level - 1}" if level > 0 else None)
        table[f"layers.{level}.bias"] = (unit,)
    return table
