"""Initial weights by name: each scheme gives the standard deviation of a weight from its fan-in.

Drawn in the layout's order from one stream, so a row depends on its seed alone.
"""

from math import sqrt

import numpy as np
import torch
from torch import Tensor, nn

from isthmus.errors import UserError

SCHEMES = ("he", "lecun")


def weight_std(scheme: str, shape: tuple[int, ...]) -> float:
    """Standard deviation of a weight's initial entries.

    he: sqrt(2 / fan_in) (He et al. 2015, eq. 10); lecun: sqrt(1 / fan_in) (LeCun et al. 1998, section 4.6).
    fan_in is the product of all axes but the first.
    """
    fan_in = int(np.prod(shape[1:]))
    match scheme:
        case "he":
            return sqrt(2 / fan_in)
        case "lecun":
            return sqrt(1 / fan_in)
    raise UserError(f"study.yaml, model.init: wanted one of {', '.join(SCHEMES)}, found {scheme!r}")


def is_weight(shape: tuple[int, ...]) -> bool:
    """Whether a parameter is a weight (two axes or more) rather than a bias or a scale."""
    return len(shape) > 1


def draw(module: nn.Module, scheme: str, rng: np.random.Generator) -> dict[str, Tensor]:
    """Initial parameters, name -> float32 tensor: normal weights, zero biases.

    LeCun weights are normal cut at two standard deviations and rescaled to the stated one, as in Flax.
    """
    drawn = {}
    for name, parameter in module.named_parameters():
        shape = tuple(parameter.shape)
        if is_weight(shape):
            values = _truncated(rng, shape) if scheme == "lecun" else rng.standard_normal(shape)
            drawn[name] = torch.from_numpy((values * weight_std(scheme, shape)).astype(np.float32))
        else:
            drawn[name] = torch.zeros(shape)
    return drawn


# Standard deviation of a standard normal cut at +-2.
_STD_OF_CUT = 0.87962566103423978


def _truncated(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    values = rng.standard_normal(shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = rng.standard_normal(int(outside.sum()))
    return values / _STD_OF_CUT
