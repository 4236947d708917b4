"""One small kick to a network: which direction, and how long (Altıntaş et al. 2025, section 3).

Only weights are moved, never biases or normalisation. A kick of sigma = 1 is as long as the initial weights
are expected to be: scale = sqrt(sum over weights of their initial variance).
"""

from collections.abc import Callable, Iterator
from math import prod, sqrt

import numpy as np
import torch
from torch import Tensor

from isthmus.engine.architecture import Architecture
from isthmus.engine.layout import Slot
from isthmus.engine.recipe import Network
from isthmus.engine.streams import stream
from isthmus.errors import UserError
from isthmus.models.initialise import weight_std

KINDS = ("gaussian", "batch", "weight")


def initial_std(architecture: Architecture) -> Tensor:
    """Standard deviation (P,) of each scalar's initialisation, float64; 0 where a kick never reaches."""
    std = torch.zeros(architecture.layout.size, dtype=torch.float64)
    for slot, of_slot in _weights(architecture):
        std[slot.start : slot.stop] = of_slot
    return std


def scale(architecture: Architecture) -> float:
    """Length of a kick of sigma = 1."""
    return sqrt(sum(prod(slot.shape) * std**2 for slot, std in _weights(architecture)))


def _weights(architecture: Architecture) -> Iterator[tuple[Slot, float]]:
    """The slots of weights, each with the standard deviation of its initialisation."""
    for slot in architecture.layout.slots.values():
        if slot.role.kind == "weight":
            yield slot, weight_std(architecture.settings["init"], slot.shape, slot.role)


def kick(
    architecture: Architecture, network: Network, batch_gradient: Callable[[np.random.Generator], Tensor]
) -> Tensor:
    """The vector (P,), float64, that is added to the network's row.

    batch_gradient: given a generator, the gradient (P,) at the network's row on one fresh batch drawn from it;
    its direction is taken as it is, uphill. The direction does not depend on sigma.
    """
    if network.perturbation is None:
        raise ValueError("a network without a perturbation is not kicked")
    at, kind, sigma = (getattr(network.perturbation, name) for name in ("at", "kind", "sigma"))
    rng = stream(network.seed, "perturb", kind, at, network.perturbation.draw)
    std = initial_std(architecture)
    if kind == "weight":
        direction = torch.zeros_like(std)
        chosen = int(rng.choice(torch.nonzero(std).squeeze(1).numpy()))
        direction[chosen] = std[chosen] * rng.standard_normal()
        return sigma * direction
    if kind == "gaussian":
        direction = torch.from_numpy(rng.standard_normal(len(std))) * std
    elif kind == "batch":
        direction = batch_gradient(rng).double() * (std > 0)
    else:
        raise UserError(f"study.yaml, perturb.kind: wanted one of {', '.join(KINDS)}, found {kind!r}")
    return sigma * scale(architecture) * direction / direction.norm()
