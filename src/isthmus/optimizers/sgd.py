"""Stochastic gradient descent with momentum, on rows."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

Settings = Mapping[str, Any]


def init(theta: Tensor, settings: Settings) -> dict[str, Tensor]:
    """The state before the first update: a velocity per scalar where there is momentum."""
    return {"velocity": torch.zeros_like(theta)} if settings.get("momentum", 0.0) else {}


def update(
    theta: Tensor,
    gradient: Tensor,
    state: dict[str, Tensor],
    rate: Tensor,
    step: int | Tensor,
    settings: Mapping[str, Any],
) -> None:
    """Change rows (R, P) and state in place; rate (R, 1) is each row's learning rate of this update.

    g = gradient + weight_decay theta; v <- momentum v + g; theta <- theta - rate v, or with nesterov
    theta - rate (g + momentum v) (Sutskever et al. 2013, in PyTorch's form without dampening).
    """
    momentum, decay = settings.get("momentum", 0.0), settings.get("weight_decay", 0.0)
    if decay:
        gradient = gradient.add(theta, alpha=decay)
    if momentum:
        velocity = torch.add(gradient, state["velocity"], alpha=momentum, out=state["velocity"])
        gradient = gradient.add(velocity, alpha=momentum) if settings.get("nesterov", False) else velocity
    theta.addcmul_(gradient, rate, value=-1.0)
