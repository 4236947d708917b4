"""REPAIR (Jordan et al. 2022): give the units of an interpolated network the statistics of its end points.

Each hidden layer's pre-activations get a mean and a standard deviation on the line between those of A and B, by
a gain and a shift folded into its weights. The head is left alone.
"""

import torch
from torch import Tensor

from isthmus.engine.architecture import Architecture
from isthmus.engine.evaluate import blocks
from isthmus.symmetry.table import bias_of, incoming

# BatchNorm's, under both roots, so that equal statistics give a gain of exactly 1.
_EPSILON = 1e-5


def goal(a: Tensor, b: Tensor, alpha: float) -> Tensor:
    """The statistic wanted at alpha. Standard deviations are interpolated, not variances."""
    return torch.lerp(a, b, alpha)


def gain(wanted_sd: Tensor, found_sd: Tensor) -> Tensor:
    """The factor that takes one standard deviation to the other, up to BatchNorm's epsilon."""
    return (wanted_sd.square() + _EPSILON).sqrt() / (found_sd.square() + _EPSILON).sqrt()


@torch.no_grad()
def repair(architecture: Architecture, theta_a: Tensor, theta_b: Tensor, alpha: float, x: Tensor) -> Tensor:
    """Rows (K, P): the networks at alpha between theta_a and the already permuted theta_b, repaired on inputs x.

    Layers are corrected from the first on, so a later one is measured behind corrected inputs, as in one pass of
    a network with BatchNorm in train mode. At alpha = 0 the result is theta_a, at 1 theta_b, bit for bit.
    """
    theta = torch.lerp(theta_a, theta_b, alpha)
    for group, name in incoming(architecture.axes).items():
        bias = bias_of(architecture.axes, group)
        if bias is None:
            raise ValueError(f"REPAIR: wanted a bias to shift the units {group!r}, found none beside {name!r}")
        mean_a, sd_a = preactivation_statistics(architecture, theta_a, x, name, bias)
        mean_b, sd_b = preactivation_statistics(architecture, theta_b, x, name, bias)
        mean, sd = preactivation_statistics(architecture, theta, x, name, bias)
        factor = gain(goal(sd_a, sd_b, alpha), sd)
        shift = goal(mean_a, mean_b, alpha) - factor * mean
        parts = dict(architecture.layout.split(theta))
        parts[name] = parts[name] * factor.to(theta.dtype).unsqueeze(2)
        parts[bias] = (parts[bias] * factor + shift).to(theta.dtype)
        theta = architecture.layout.join(parts)
    return theta


@torch.no_grad()
def preactivation_statistics(
    architecture: Architecture, theta: Tensor, x: Tensor, weight: str, bias: str
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (K, n), biased, float64, over inputs x of what a linear layer puts out."""
    before = architecture.axes[weight][1]
    step, width = blocks(architecture, len(theta), len(x))
    means, deviations = [], []
    for start in range(0, len(theta), step):
        rows = theta[start : start + step]
        parts = architecture.layout.split(rows)
        total = square = torch.zeros((), dtype=torch.float64)
        for i in range(0, len(x), width):
            inputs = x[i : i + width]
            h = inputs.flatten(1) if before is None else architecture.activations(rows, inputs)[before]
            out = (h @ parts[weight].mT + parts[bias].unsqueeze(1)).double()
            total, square = total + out.sum(1), square + out.square().sum(1)
        means.append(total / len(x))
        deviations.append((square / len(x) - means[-1].square()).clamp(min=0).sqrt())
    return torch.cat(means), torch.cat(deviations)
