"""What dropout leaves of each layer's inputs, as a function of a network's own (seed, order) and the step."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from isthmus.engine.recipe import Network
from isthmus.engine.streams import stream


def keep(
    dropouts: Mapping[str, tuple[float, tuple[int, ...]]], networks: Sequence[Network], step: int, batch: int
) -> dict[str, Tensor]:
    """Buffer's name -> factors (R, batch, *shape) of update `step`: 0 with the layer's p, else 1 / (1 - p).

    dropouts: Architecture.dropouts. Networks of equal (seed, order) leave out the same features.
    """
    if not dropouts:
        return {}
    orders = [(network.seed, network.order) for network in networks]
    factors = {}
    for name, (p, shape) in dropouts.items():
        drawn = {
            (seed, order): stream(seed, "dropout", name, order, step).random((batch, *shape), dtype=np.float32) >= p
            for seed, order in dict.fromkeys(orders)
        }
        factors[name] = torch.from_numpy(np.stack([drawn[order] for order in orders])).float() / (1 - p)
    return factors
