"""Edge-popup: random weights stay as they are, and scores are trained that say which of them to keep.

Ramanujan et al. 2020 (code: conv_type.py). With coefficients of an equivariant basis for weights, the subnetwork is
equivariant.
"""

from collections.abc import Sequence
from math import prod, sqrt

import torch
from torch import Tensor

from isthmus.engine.streams import stream
from isthmus.equivariant.network import Network

WEIGHTS = ("signed", "normal")


def random_weights(network: Network, seeds: Sequence[int], kind: str, kept: float) -> Tensor:
    """Rows (R, P), float32, of variance 2 / (fan-in kept), layer by layer; row r depends on seeds[r] alone.

    signed: one size and a random sign (the paper's signed constant); normal: Kaiming's. kept: share of the weights
    that will be kept (the paper's scale_fan).
    """
    if kind not in WEIGHTS:
        raise ValueError(f"wanted one of {', '.join(WEIGHTS)}, found {kind!r}")
    drawn = torch.stack(
        [torch.from_numpy(stream(seed, "random weights").standard_normal(network.size)) for seed in seeds]
    )
    deviations = [sqrt(2 / (prod(layer.shape[1:]) * kept)) for layer in network.layers]
    return _scaled(network, drawn.sign() if kind == "signed" else drawn, deviations)


def initial_scores(network: Network, seeds: Sequence[int]) -> Tensor:
    """Rows (R, P), float32, uniform within 1 / sqrt(fan-in)."""
    drawn = [torch.from_numpy(stream(seed, "scores").uniform(-1, 1, network.size)) for seed in seeds]
    return _scaled(network, torch.stack(drawn), [1 / sqrt(prod(layer.shape[1:])) for layer in network.layers])


def masks(network: Network, scores: Tensor, kept: float) -> Tensor:
    """Bool rows (R, P): of each layer's N coefficients all but the int((1 - kept) N) of the smallest |score|."""
    found = []
    for layer, size in zip(network.split(scores), network.sizes, strict=True):
        sizes, dropped = layer.flatten(1).abs(), int((1 - kept) * size)
        if dropped:
            found.append(sizes > sizes.kthvalue(dropped, dim=1, keepdim=True).values)
        else:
            found.append(torch.ones_like(sizes, dtype=torch.bool))
    return torch.cat(found, dim=1)


class _StraightThrough(torch.autograd.Function):
    """A mask as numbers, whose gradient is passed to the scores' sizes as if it were they."""

    # PyTorch makes ctx and states no type for it.
    @staticmethod
    def forward(ctx, scores: Tensor, mask: Tensor) -> Tensor:  # noqa: ANN001
        ctx.save_for_backward(scores)
        return mask.to(scores)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN001
        (scores,) = ctx.saved_tensors
        return gradient * scores.sign(), None


def subnetworks(network: Network, weights: Tensor, scores: Tensor, kept: float) -> Tensor:
    """The rows weights * mask (R, P), differentiable in the scores straight through the mask."""
    return weights * _StraightThrough.apply(scores, masks(network, scores.detach(), kept))


def _scaled(network: Network, rows: Tensor, factors: Sequence[float]) -> Tensor:
    parts = rows.split(network.sizes, dim=1)
    return torch.cat([part * factor for part, factor in zip(parts, factors, strict=True)], dim=1).float()
