"""Bases of the linear maps that commute with a group, as matrices; a layer's weights are coefficients in one.

Each basis of maps from a space to itself holds the identity as one of its elements, which the construction needs
(Ferbach et al. 2023).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Matrices:
    """elements: float64 (K, d_out, d_in), linearly independent."""

    elements: Tensor

    def __len__(self) -> int:
        return len(self.elements)

    @cached_property
    def identity(self) -> int:
        """The place of the identity map among the elements; ValueError where it is none of them."""
        rows, columns = self.elements.shape[1:]
        found = [
            k for k, b in enumerate(self.elements) if rows == columns and torch.equal(b, torch.eye(rows).to(b))
        ]
        if not found:
            raise ValueError("wanted a basis with the identity as an element, found none")
        return found[0]

    def expand(self, coefficients: Tensor) -> Tensor:
        """Weights (R, q d_out, p d_in) of coefficients (R, q, p, K)."""
        rows, outputs, inputs, _ = coefficients.shape
        weights = torch.einsum("rqpk,kij->rqipj", coefficients, self.elements.to(coefficients))
        return weights.reshape(rows, outputs * weights.shape[2], inputs * weights.shape[4])

    def act(self, weights: Tensor, x: Tensor) -> Tensor:
        """Outputs (R, N, q, d_out) of weights (R, q d_out, p d_in) on inputs (R, N, p, *field)."""
        out = x.flatten(2) @ weights.transpose(1, 2)
        return out.unflatten(2, (-1, self.elements.shape[1]))


def trivial() -> Matrices:
    """Numbers to numbers, no group: {1}. Plain dense layers."""
    return Matrices(torch.ones(1, 1, 1, dtype=torch.float64))


def cyclic(order: int) -> Matrices:
    """The regular representation of C_n to itself: the n cyclic shifts."""
    shift = torch.eye(order, dtype=torch.float64)
    return Matrices(torch.stack([shift.roll(k, 0) for k in range(order)]))


def invariant(size: int) -> Matrices:
    """A transitive permutation representation to the trivial one: 1^T / sqrt(n), one element, of norm 1."""
    return Matrices(torch.full((1, 1, size), size**-0.5, dtype=torch.float64))


def sets(elements: int) -> Matrices:
    """n elements in any order to themselves: {I, 11^T / n} (Zaheer et al. 2017)."""
    return Matrices(torch.stack([tensor_map(blocks, elements, 1, 1) for blocks in ([[0, 1]], [[0], [1]])]))


def tensors(elements: int, outputs: int, inputs: int) -> Matrices:
    """Order-k tensors over n nodes to order-l ones, under permutations of the nodes (Maron et al. 2019).

    One element for each partition of the l + k indices, as in `tensor_map`: 15 for order 2 to 2, which are
    independent for n >= 4.
    """
    found = [tensor_map(blocks, elements, outputs, inputs) for blocks in partitions(range(outputs + inputs))]
    return Matrices(torch.stack(found))


def tensor_map(blocks: Sequence[Sequence[int]], elements: int, outputs: int, inputs: int) -> Tensor:
    """The map (n^l, n^k) of a partition of indices, the l of the output first: 1 where indices of one block agree.

    Blocks differ or agree as they like, so that the identity is a single map. Divided by n for each block of inputs
    alone: a sum over it is a mean, and no entry of an output grows with n.
    """
    summed = sum(min(block) >= outputs for block in blocks)
    entry = torch.zeros((elements,) * (outputs + inputs), dtype=torch.float64)
    for values in product(range(elements), repeat=len(blocks)):
        index = {place: value for block, value in zip(blocks, values, strict=True) for place in block}
        entry[tuple(index[place] for place in range(outputs + inputs))] = elements**-summed
    return entry.reshape(elements**outputs, elements**inputs)


def partitions(places: Sequence[int]) -> Iterator[list[list[int]]]:
    """Every partition of the places into blocks: 1, 1, 2, 5, 15, ... of them (Bell's numbers)."""
    if not places:
        yield []
        return
    first, *rest = places
    for blocks in partitions(rest):
        yield [[first], *blocks]
        for place, block in enumerate(blocks):
            yield [*blocks[:place], [first, *block], *blocks[place + 1 :]]


def on_tensors(permutation: Tensor, order: int) -> Tensor:
    """The matrix (n^k, n^k) by which a permutation (n,) of nodes acts on order-k tensors."""
    matrix = torch.eye(len(permutation), dtype=torch.float64)[permutation]
    out = torch.ones(1, 1, dtype=torch.float64)
    for _ in range(order):
        out = torch.kron(out, matrix)
    return out
