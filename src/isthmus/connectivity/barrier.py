"""Loss and error on the straight line between two networks, and how far they rise above it.

Everything interpolates by torch.lerp, which is exact at both ends and between equal values: the barrier of a
network with itself is 0, not nearly 0, and no barrier is negative.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.engine.architecture import Architecture
from isthmus.engine.evaluate import evaluate

# Scalars of interpolated rows held at once: 64 MB of float32.
_BLOCK = 1 << 24


@dataclass(frozen=True)
class Line:
    """Mean losses (K, T) in nats and 0-1 errors (K, T) in [0, 1], float64, at alphas (T,); ends included."""

    losses: Tensor
    errors: Tensor
    alphas: Tensor


@torch.no_grad()
def on_line(
    architecture: Architecture,
    theta_a: Tensor,
    theta_b: Tensor,
    x: Tensor,
    y: Tensor,
    points: int = 25,
    anchor: Tensor | None = None,
    loss: str = "cross_entropy",
) -> Line:
    """The networks (1 - alpha) theta_a + alpha theta_b, rows (K, P), evaluated on inputs x with labels y.

    points: evenly spaced, both ends among them. anchor: theta_0 (K, P) of lazy fleets.
    """
    alphas = torch.linspace(0, 1, points, dtype=torch.float64, device=theta_a.device)
    weights = alphas.to(theta_a.dtype).view(1, points, 1)
    step = max(1, _BLOCK // (points * theta_a.shape[1]))
    losses, errors = [], []
    for start in range(0, len(theta_a), step):
        a, b = theta_a[start : start + step], theta_b[start : start + step]
        rows = torch.lerp(a.unsqueeze(1), b.unsqueeze(1), weights).flatten(0, 1)
        fixed = None if anchor is None else anchor[start : start + step].repeat_interleave(points, dim=0)
        found = evaluate(architecture, rows, x, y, fixed, loss)
        losses.append(found[0].view(len(a), points))
        errors.append(found[1].view(len(a), points))
    return Line(torch.cat(losses), torch.cat(errors), alphas)


def barrier(values: Tensor, alphas: Tensor) -> Tensor:
    """Largest excess (...) of values (..., T) at alphas (T,) over the line between the first and the last.

    At least 0, since the ends count; NaN where a value is. Symmetric in the two networks.
    """
    line = torch.lerp(values[..., :1], values[..., -1:], alphas.to(values.dtype))
    return (values - line).amax(-1)


def barrier_over_mean(values: Tensor) -> Tensor:
    """Largest excess (...) of values (..., T) over the mean of both ends (Ainsworth et al. 2022, as reported).

    Equal to `barrier` where the ends are equal; otherwise at least half their difference, even with no barrier.
    """
    return values.amax(-1) - (values[..., 0] + values[..., -1]) / 2


def midpoint(values: Tensor) -> Tensor:
    """The value (...) at alpha = 1/2 of values (..., T), T odd: what Ferbach et al. (2024) call LMC error.

    No barrier: it contains the ends' own loss. Raises ValueError for even T.
    """
    if values.shape[-1] % 2 == 0:
        raise ValueError(f"midpoint: wanted an odd number of points, found {values.shape[-1]}")
    return values[..., values.shape[-1] // 2]
