"""ReLU networks in basis coefficients: a network is a row of them, and pruning is a mask on the row."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TypeAlias

import torch
from torch import Tensor

from isthmus.engine.streams import stream
from isthmus.equivariant.bases import Matrices
from isthmus.equivariant.lattices import Kernels

Basis: TypeAlias = Matrices | Kernels


@dataclass(frozen=True)
class Layer:
    """Channels of one space to channels of another.

    basis: of the equivariant maps between the two. within: of those from the input's space to itself.
    """

    basis: Basis
    within: Basis
    inputs: int
    outputs: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of its coefficients: outputs, inputs, elements of the basis."""
        return self.outputs, self.inputs, len(self.basis)


@dataclass(frozen=True)
class Network:
    """Layers with ReLU between them, no biases; equivariant where spaces are permuted by their group."""

    layers: tuple[Layer, ...]

    @cached_property
    def sizes(self) -> list[int]:
        """How many coefficients each layer has."""
        return [prod(layer.shape) for layer in self.layers]

    @property
    def size(self) -> int:
        """P, the length of a row."""
        return sum(self.sizes)

    def split(self, theta: Tensor) -> list[Tensor]:
        """Views of rows (R, P) as coefficients (R, outputs, inputs, K), layer by layer."""
        parts = theta.split(self.sizes, dim=1)
        return [part.unflatten(1, layer.shape) for part, layer in zip(parts, self.layers, strict=True)]

    def expand(self, theta: Tensor) -> list[Tensor]:
        """The plain weights of rows (R, P), layer by layer."""
        pairs = zip(self.layers, self.split(theta), strict=True)
        return [layer.basis.expand(coefficients) for layer, coefficients in pairs]

    def act(self, weights: Sequence[Tensor], x: Tensor) -> Tensor:
        """Outputs of R rows' plain weights on inputs (N, p, *field), or each row's own (R, ...)."""
        for place, (layer, of_layer) in enumerate(zip(self.layers, weights, strict=True)):
            x = layer.basis.act(of_layer, x.relu() if place else _for_each(x, layer, len(of_layer)))
        return x

    def __call__(self, theta: Tensor, x: Tensor) -> Tensor:
        """What rows (R, P) give on inputs as in `act`: fields (R, N, q, *field)."""
        return self.act(self.expand(theta), x)

    def logits(self, theta: Tensor, x: Tensor) -> Tensor:
        """The same (R, N, C) where the last space is a number for each class."""
        return self(theta, x).flatten(2)

    def initial(self, seeds: Sequence[int]) -> Tensor:
        """Rows (R, P) to train, float32; row r depends on seeds[r] alone.

        Normal with variance 2 / (inputs sum_k |b_k 1|^2), |.|^2 a mean over outputs: He's 2 / (inputs K) where the
        basis permutes; smaller where an element adds up a whole field of equal numbers.
        """
        deviations = [(2 / (layer.inputs * _gain(layer.basis))) ** 0.5 for layer in self.layers]
        scale = torch.cat([torch.full((n,), std) for n, std in zip(self.sizes, deviations, strict=True)])
        drawn = [torch.from_numpy(stream(seed, "initialise").standard_normal(self.size)) for seed in seeds]
        return (torch.stack(drawn) * scale).float()

    def doubled(self, group: int) -> "Network":
        """The network of twice the depth: each layer becomes one to `group` channels for each of its inputs, in the
        space of the inputs, and one from them to its outputs."""
        found = []
        for layer in self.layers:
            middle = group * layer.inputs
            found.append(Layer(layer.within, layer.within, layer.inputs, middle))
            found.append(Layer(layer.basis, layer.within, middle, layer.outputs))
        return Network(tuple(found))


def _gain(basis: Basis) -> float:
    """sum_k of the mean square of an output of element k on an input of ones."""
    return float(basis.elements.flatten(2).sum(2).square().mean(1).sum())


def _for_each(x: Tensor, layer: Layer, rows: int) -> Tensor:
    """The inputs (R, N, p, *field), of a network's first layer."""
    field = 3 if isinstance(layer.basis, Kernels) else 1
    return x if x.ndim == field + 3 else x.expand(rows, *x.shape)
