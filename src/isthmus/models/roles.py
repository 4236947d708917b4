"""What each parameter is to its layer: from its role follow its initial values and how far a kick moves it."""

from dataclasses import dataclass
from math import prod
from typing import Literal

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Role:
    """The part that a parameter plays.

    kind: weight and bias of a layer; scale and shift of a normalisation; embedding, a learned position or token;
    own, which begins as its module made it. fan_in: of weights and biases, how many inputs a unit of their layer
    sums. units: of a recurrent layer, how many it has, which PyTorch's own start takes in place of the fan-in.
    """

    kind: Literal["weight", "bias", "scale", "shift", "embedding", "own"]
    fan_in: int = 0
    units: int | None = None


def parameter(role: Role, *shape: int) -> nn.Parameter:
    """A parameter of this shape that plays this role; without values, which always come from a row."""
    made = nn.Parameter(torch.empty(shape))
    made.role = role
    return made


def role_of(value: Tensor) -> Role:
    """The role of a module's parameter or statistic.

    Where nobody has said (a module that is not of this package), a parameter of two axes or more is a weight whose
    fan-in is the product of all axes but the first.
    """
    if hasattr(value, "role"):
        return value.role
    return (
        Role("weight", prod(value.shape[1:])) if isinstance(value, nn.Parameter) and value.ndim > 1 else Role("own")
    )


def state(module: nn.Module) -> dict[str, Tensor]:
    """Name -> value of all that a row holds: the parameters in the module's order, then its statistics."""
    parameters = dict(module.named_parameters())
    # By identity: a parameter that two layers share has two names in the state dict, and one place in a row.
    own = {id(value) for value in parameters.values()}
    return parameters | {
        name: value
        for name, value in module.state_dict(keep_vars=True).items()
        if id(value) not in own and value.is_floating_point()
    }
