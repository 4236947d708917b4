"""Recurrent networks (Elman 1990; LSTM: Hochreiter & Schmidhuber 1997) that read an input as a sequence."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.errors import UserError
from isthmus.models.initialise import initialise
from isthmus.models.layers import ACTIVATIONS, Axes, Linear, axes, linear
from isthmus.models.roles import Role, parameter

__all__ = ["build", "initialise", "symmetry"]


class Recurrent(nn.Module):
    """One recurrent layer, of one network or of R: plain, or with the four gates of an LSTM.

    into_weight (gates, units, features), back_weight (gates, units, units), bias (gates, units); a plain layer has
    no axis for gates. Gates stand in PyTorch's order (input, forget, cell, output); its two biases are one here.
    """

    def __init__(self, features: int, units: int, cell: str) -> None:
        super().__init__()
        gates = (4,) if cell == "lstm" else ()
        self.into_weight = parameter(Role("weight", features, units), *gates, units, features)
        self.back_weight = parameter(Role("weight", units, units), *gates, units, units)
        self.bias = parameter(Role("bias", features, units), *gates, units)
        self.gated, self.activation = bool(gates), ACTIVATIONS.get(cell)

    def forward(self, x: Tensor) -> Tensor:
        """Hidden states (..., N, T, units) of a sequence (..., N, T, features); the state before it is zero."""
        into, back, bias = self.into_weight, self.back_weight, self.bias
        if self.gated:
            into, back, bias = into.flatten(-3, -2), back.flatten(-3, -2), bias.flatten(-2)
        state = x.new_zeros(*x.shape[:-2], back.shape[-1])
        cell, states = state, []
        # The inputs' share at all times at once; the rest has to wait for the state.
        for entering in linear(x, into, bias).unbind(-2):
            z = entering + state @ back.mT
            if self.gated:
                take, keep, new, out = z.chunk(4, dim=-1)
                cell = keep.sigmoid() * cell + take.sigmoid() * new.tanh()
                state = out.sigmoid() * cell.tanh()
            else:
                state = self.activation(z)
            states.append(state)
        return torch.stack(states, dim=-2)


class RNN(nn.Module):
    """Recurrent layers `layers.l`, each reading the states of the one before; `head` reads the very last state."""

    on_rows = True

    def __init__(self, settings: Mapping[str, Any], shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        if len(shape) not in (1, 3):
            wanted = "wanted data of images (channels, height, width) or of flat inputs"
            raise UserError(f"study.yaml, model.rnn: {wanted}, found inputs of shape {shape}")
        self.images = len(shape) == 3
        sizes = [shape[0] * shape[2] if self.images else 1, *settings["widths"]]
        self.layers = nn.ModuleList(Recurrent(a, b, settings["cell"]) for a, b in pairwise(sizes))
        self.head = Linear(sizes[-1], classes)

    def forward(self, x: Tensor, activations: bool = False) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Logits (..., N, classes) of images (..., N, C, H, W), read row by row, or inputs (..., N, D), by value.

        With `activations`, also group -> hidden states (..., N, T, width) of each layer.
        """
        hidden = {}
        x = x.transpose(-3, -2).flatten(-2) if self.images else x.unsqueeze(-1)
        for level, layer in enumerate(self.layers):
            x = hidden[f"h{level}"] = layer(x)
        logits = self.head(x[..., -1, :])
        return (logits, hidden) if activations else logits


def build(settings: Mapping[str, Any], shape: tuple[int, ...], classes: int) -> RNN:
    """The module for inputs of this shape; settings: see parts.Rnn."""
    return RNN(settings, shape, classes)


def symmetry(module: RNN) -> Axes:
    """Parameter name -> for each axis, the group whose permutation acts on it, or None.

    Group `h<l>` is the order of the units of recurrent layer l: those of its gates, its state and its cell alike.
    """
    table: Axes = {}
    unit = None
    for level, layer in enumerate(module.layers):
        before, unit = unit, f"h{level}"
        gates = (None,) if layer.gated else ()
        table |= {
            f"layers.{level}.into_weight": (*gates, unit, before),
            f"layers.{level}.back_weight": (*gates, unit, unit),
            f"layers.{level}.bias": (*gates, unit),
        }
    return table | axes("head", module.head, None, unit)
