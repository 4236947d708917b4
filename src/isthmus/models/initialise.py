"""Initial values by name: each scheme says how a weight is drawn, given the fan-in of its layer.

Drawn in the layout's order from one stream, so a row depends on its seed alone.
"""

from collections.abc import Mapping
from math import prod, sqrt
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from isthmus.errors import UserError
from isthmus.models.roles import Role, role_of, state

SCHEMES = ("he", "lecun", "glorot", "pytorch", "orthogonal")

# Standard deviation of learned positions and tokens (Dosovitskiy et al. 2021, code).
_EMBEDDING_STD = 0.02


def weight_std(scheme: str, shape: tuple[int, ...], role: Role) -> float:
    """Standard deviation of a weight's initial entries.

    he: sqrt(2 / fan_in) (He et al. 2015, eq. 10); lecun: sqrt(1 / fan_in) (LeCun et al. 1998, section 4.6); glorot:
    sqrt(2 / (fan_in + fan_out)), normal (Glorot & Bengio 2010, eq. 12).
    pytorch: as its own layers begin, uniform within 1 / sqrt(fan_in), of recurrent layers 1 / sqrt(units).
    orthogonal: a matrix (units, fan_in) of orthonormal rows or columns, whichever are fewer (Saxe et al. 2014).
    """
    match scheme:
        case "he":
            return sqrt(2 / role.fan_in)
        case "lecun":
            return sqrt(1 / role.fan_in)
        case "glorot":
            # What an input reaches: of a kernel (units, channels, height, width) all but the channels.
            return sqrt(2 / (role.fan_in + prod(shape) // shape[1]))
        case "pytorch":
            return _bound(role) / sqrt(3)
        case "orthogonal":
            return 1 / sqrt(max(role.fan_in, prod(shape) // role.fan_in))
    raise UserError(f"study.yaml, model.init: wanted one of {', '.join(SCHEMES)}, found {scheme!r}")


def initialise(module: nn.Module, settings: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Tensor]:
    """Initial parameters and statistics by the scheme named `init`: what most families begin at."""
    return draw(module, settings["init"], rng)


def draw(module: nn.Module, scheme: str, rng: np.random.Generator) -> dict[str, Tensor]:
    """Initial parameters and statistics, name -> float32 tensor.

    Weights by the scheme; biases zero, in PyTorch's scheme drawn like the weights; scales one, shifts zero;
    embeddings normal; statistics, and what else the module makes itself, as they are in it.
    """
    return {name: _drawn(value, scheme, rng) for name, value in state(module).items()}


def _drawn(value: Tensor, scheme: str, rng: np.random.Generator) -> Tensor:
    role, shape = role_of(value), tuple(value.shape)
    match role.kind:
        case "weight":
            drawn = _weight(scheme, shape, role, rng)
        case "bias" if scheme == "pytorch":
            drawn = rng.uniform(-_bound(role), _bound(role), shape)
        case "bias" | "shift":
            return torch.zeros(shape)
        case "scale":
            return torch.ones(shape)
        case "embedding":
            drawn = _EMBEDDING_STD * rng.standard_normal(shape)
        case "own":
            return value.detach().clone()
    return torch.from_numpy(drawn.astype(np.float32))


def _weight(scheme: str, shape: tuple[int, ...], role: Role, rng: np.random.Generator) -> np.ndarray:
    """A weight's initial entries, float64. LeCun's are normal, cut at two deviations and rescaled, as in Flax."""
    std = weight_std(scheme, shape, role)
    match scheme:
        case "lecun":
            return _truncated(rng, shape) * std
        case "pytorch":
            return rng.uniform(-_bound(role), _bound(role), shape)
        case "orthogonal":
            return _orthogonal(rng, prod(shape) // role.fan_in, role.fan_in).reshape(shape)
    return rng.standard_normal(shape) * std


def _bound(role: Role) -> float:
    """The largest value of PyTorch's own start: of nn.Linear, nn.Conv2d, and the recurrent layers."""
    return 1 / sqrt(role.units or role.fan_in)


# Standard deviation of a standard normal cut at +-2.
_STD_OF_CUT = 0.87962566103423978


def _truncated(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    values = rng.standard_normal(shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = rng.standard_normal(int(outside.sum()))
    return values / _STD_OF_CUT


def _orthogonal(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """A uniform matrix with orthonormal columns, or rows where those are fewer (Mezzadri 2007: hence the signs)."""
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q = q * np.sign(np.diagonal(r))
    return q if rows >= columns else q.T
