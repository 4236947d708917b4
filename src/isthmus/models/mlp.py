"""Multilayer perceptrons: linear layers with an activation between, and the symmetry of their hidden units."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from torch import Tensor, nn

from isthmus.models.initialise import initialise
from isthmus.models.layers import ACTIVATIONS, Axes, Dropout, Linear, axes
from isthmus.models.mlp_gradient import FORMULAS, write_gradient

__all__ = ["build", "initialise", "symmetry"]


class MLP(nn.Module):
    """Linear layers `layers.0` ... `layers.L`; the last one, the head, has no activation."""

    on_rows = True

    def __init__(
        self, shape: tuple[int, ...], widths: list[int], classes: int, activation: str, dropout: float
    ) -> None:
        super().__init__()
        sizes = [int(np.prod(shape)), *widths, classes]
        self.layers = nn.ModuleList(Linear(a, b) for a, b in pairwise(sizes))
        self.dropouts = nn.ModuleList(Dropout(dropout) for _ in widths) if dropout else None
        self.named_activation, self.activation = activation, ACTIVATIONS[activation]
        self.axes = len(shape)
        # Where the formula knows the activation's slope, rows train without autograd.
        self.write_gradient = write_gradient if activation in FORMULAS else None

    def forward(self, x: Tensor, activations: bool = False) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Logits (..., N, classes) of inputs (..., N, *shape).

        With `activations`, also group -> (..., N, width) after the activation function, for every hidden layer.
        """
        hidden = {}
        x = x.flatten(-self.axes)
        for level, layer in enumerate(self.layers[:-1]):
            x = self.activation(layer(x))
            hidden[f"h{level}"] = x
            if self.dropouts is not None:
                x = self.dropouts[level](x)
        logits = self.layers[-1](x)
        return (logits, hidden) if activations else logits


def build(settings: Mapping[str, Any], shape: tuple[int, ...], classes: int) -> MLP:
    """The module for inputs of this shape; settings: widths, activation, init, dropout."""
    return MLP(shape, list(settings["widths"]), classes, settings["activation"], settings.get("dropout", 0.0))


def symmetry(module: MLP) -> Axes:
    """Parameter name -> for each axis, the group whose permutation acts on it, or None.

    Group `h<l>` is the order of the units of hidden layer l.
    """
    table, unit = {}, None
    for level, layer in enumerate(module.layers):
        before, unit = unit, f"h{level}" if layer is not module.layers[-1] else None
        table |= axes(f"layers.{level}", layer, unit, before)
    return table
