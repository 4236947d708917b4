"""How far a network is from commuting with its group: in float64 a matter of rounding, or not equivariant."""

from collections.abc import Sequence

import torch
from torch import Tensor

from isthmus.equivariant.architectures import Move
from isthmus.equivariant.network import Network


def equivariance_error(
    network: Network, weights: Sequence[Tensor], x: Tensor, before: Sequence[Move], after: Sequence[Move]
) -> Tensor:
    """The largest |f(g x) - g f(x)| over the largest |f(x)|, for each row (R,); 0 where the group is trivial.

    A network that is zero on all inputs tried is equivariant: 0.

    weights: plain ones, as `Network.expand` gives. before, after: what the same group elements do to inputs and to
    outputs.
    """
    plain = network.act(weights, x)
    scale = plain.abs().flatten(1).amax(1)
    found = [torch.zeros_like(scale)]
    for move, moved in zip(before, after, strict=True):
        gap = network.act(weights, move(x)) - moved(plain)
        found.append(relative(gap, scale))
    return torch.stack(found).amax(0)


def invariance_error(network: Network, theta: Tensor, x: Tensor, moves: Sequence[Move]) -> Tensor:
    """The same of rows (R, P) whose outputs the group leaves alone, computed in float64."""
    stay = [lambda out: out] * len(moves)
    return equivariance_error(network, network.expand(theta.double()), x.double(), moves, stay)


def relative(gap: Tensor, scale: Tensor) -> Tensor:
    """The largest |gap| of each row over its scale (R,); 0 where there is no gap, whatever the scale."""
    largest = gap.abs().flatten(1).amax(1)
    return torch.where(largest == 0, 0.0, largest / scale)
