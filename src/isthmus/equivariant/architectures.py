"""The networks of the paper's cases: each with how it sees an input, and how its group moves what it sees."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from isthmus.equivariant import bases, lattices
from isthmus.equivariant.bases import Matrices
from isthmus.equivariant.network import Basis, Layer, Network

Move = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Case:
    """see: inputs (N, *shape) -> fields (N, p, *field). moves: what elements that generate the group do to a field
    (..., *field), of the first layer and of any hidden one; none for the trivial group."""

    network: Network
    see: Move
    moves: tuple[Move, ...]


def dense(shape: Sequence[int], channels: Sequence[int], classes: int) -> Case:
    """Plain layers: each number is a channel, and the group is trivial."""
    see = partial(torch.flatten, start_dim=1)
    return Case(_stacked(bases.trivial(), channels, classes, _numbers(shape)), lambda x: see(x)[..., None], ())


def c4(shape: Sequence[int], channels: Sequence[int], classes: int) -> Case:
    """Images of an even side under quarter turns: each orbit of four pixels is a regular representation of C4."""
    network = _stacked(bases.cyclic(4), channels, classes, _numbers(shape) // 4, bases.invariant(4))
    return Case(network, orbits, (lambda x: x.roll(1, -1),))


def orbits(images: Tensor) -> Tensor:
    """Images (N, 1, H, H), H even, as pixels' orbits (N, H^2 / 4, 4): a turn shifts the last axis by one."""
    half = images.shape[-1] // 2
    corners = [torch.rot90(images, -k, (-2, -1))[..., :half, :half].flatten(1) for k in range(4)]
    return torch.stack(corners, dim=-1)


def p4(shape: Sequence[int], channels: Sequence[int], classes: int) -> Case:
    """Images under shifts and quarter turns: a lifting, p4 convolutions of 3x3, the sum of each field."""
    _, height, width = shape
    images, fields = lattices.turned_images(), lattices.regular()
    layers = [Layer(lattices.lifting(), images, 1, channels[0])]
    layers += [Layer(fields, fields, *pair) for pair in pairwise(channels)]
    layers.append(Layer(bases.invariant(4 * height * width), fields, channels[-1], classes))
    return Case(Network(tuple(layers)), lambda x: x[:, :, None], (lattices.turn, lattices.shift))


def sets(elements: int, inputs: int, channels: Sequence[int], classes: int) -> Case:
    """Sets of elements with `inputs` numbers each, (N, elements, inputs), in any order."""
    network = _stacked(bases.sets(elements), channels, classes, inputs, bases.invariant(elements))
    return Case(network, lambda x: x.transpose(1, 2), (lambda x: x.roll(1, -1), _swapped))


def graphs(nodes: int, channels: Sequence[int], classes: int) -> Case:
    """Graphs by their adjacency matrices (N, nodes, nodes), nodes in any order: layers of order 2."""
    network = _stacked(bases.tensors(nodes, 2, 2), channels, classes, 1, bases.tensors(nodes, 0, 2))

    def on_both(move: Move) -> Move:
        def moved(x: Tensor) -> Tensor:
            square = x.unflatten(-1, (nodes, nodes))
            return move(move(square).mT).mT.flatten(-2)

        return moved

    return Case(network, lambda x: x.flatten(1)[:, None], (on_both(lambda x: x.roll(1, -1)), on_both(_swapped)))


def _stacked(
    basis: Matrices, channels: Sequence[int], classes: int, inputs: int, last: Basis | None = None
) -> Network:
    """Layers of one basis, from `inputs` channels, and a last one to a number for each class."""
    sizes = [inputs, *channels]
    layers = [Layer(basis, basis, *pair) for pair in zip(sizes, channels, strict=False)]
    return Network((*layers, Layer(last or basis, basis, sizes[-1], classes)))


def _numbers(shape: Sequence[int]) -> int:
    return int(torch.Size(shape).numel())


def _swapped(x: Tensor) -> Tensor:
    """The first two places of the last axis swapped; with a cyclic shift it generates all permutations."""
    return x.index_select(-1, torch.tensor([1, 0, *range(2, x.shape[-1])]))
