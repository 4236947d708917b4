"""Multilayer perceptrons: linear layers, normalised or not, with an activation between, and the symmetry of their
hidden units.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from torch import Tensor, nn

from isthmus.models.initialise import initialise
from isthmus.models.layers import ACTIVATIONS, NORMS, Axes, Dropout, Linear, axes
from isthmus.models.mlp_gradient import FORMULAS, write_gradient

__all__ = ["build", "initialise", "symmetry"]


class MLP(nn.Module):
    """Linear layers `layers.0` ... `layers.L` with `norms.0` ...; the last one, the head, has no activation.

    A layer has a bias unless BatchNorm follows, which would take it away again.
    """

    on_rows = True

    def __init__(
        self, shape: tuple[int, ...], widths: list[int], classes: int, activation: str, dropout: float, norm: str
    ) -> None:
        super().__init__()
        sizes = [int(np.prod(shape)), *widths, classes]
        hidden = [Linear(a, b, bias=norm != "batch") for a, b in pairwise(sizes[:-1])]
        self.layers = nn.ModuleList([*hidden, Linear(*sizes[-2:])])
        self.norms = nn.ModuleList(NORMS[norm](width) for width in widths)
        self.dropouts = nn.ModuleList(Dropout(dropout) for _ in widths) if dropout else None
        self.named_activation, self.activation = activation, ACTIVATIONS[activation]
        self.axes = len(shape)
        # Where the formula knows the activation's slope, rows train without autograd.
        self.write_gradient = write_gradient if activation in FORMULAS and norm == "none" else None

    def forward(self, x: Tensor, activations: bool = False) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Logits (..., N, classes) of inputs (..., N, *shape).

        With `activations`, also group -> (..., N, width) after the activation function, for every hidden layer.
        """
        hidden = {}
        x = x.flatten(-self.axes)
        for level, layer in enumerate(self.layers[:-1]):
            x = self.activation(self.norms[level](layer(x)))
            hidden[f"h{level}"] = x
            if self.dropouts is not None:
                x = self.dropouts[level](x)
        logits = self.layers[-1](x)
        return (logits, hidden) if activations else logits


def build(settings: Mapping[str, Any], shape: tuple[int, ...], classes: int) -> MLP:
    """The module for inputs of this shape; settings: widths, activation, init, dropout, norm."""
    dropout, norm = settings.get("dropout", 0.0), settings.get("norm", "none")
    return MLP(shape, list(settings["widths"]), classes, settings["activation"], dropout, norm)


def symmetry(module: MLP) -> Axes:
    """Parameter name -> for each axis, the group whose permutation acts on it, or None.

    Group `h<l>` is the order of the units of hidden layer l.
    """
    table, unit = {}, None
    for level, layer in enumerate(module.layers):
        before, unit = unit, f"h{level}" if layer is not module.layers[-1] else None
        table |= axes(f"layers.{level}", layer, unit, before)
    for level, norm in enumerate(module.norms):
        table |= axes(f"norms.{level}", norm, f"h{level}")
    return table
