"""Data order as a function of (seed, order, epoch): a resumed run needs nothing else to go on."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from isthmus.engine.recipe import Network
from isthmus.engine.streams import stream


def held_out(seed: int, examples: int, share: float) -> np.ndarray:
    """Which of so many training examples (N,), bool, a network of this seed never trains on."""
    chosen = np.zeros(examples, dtype=bool)
    if share:
        chosen[stream(seed, "held out").permutation(examples)[: round(share * examples)]] = True
    return chosen


def steps_per_epoch(examples: int, batch: int) -> int:
    """Full batches in one pass; what is left over sits out that epoch."""
    return examples // batch


class Batches:
    """Which examples each network sees at each update.

    Every epoch is a fresh permutation of the training set, less what is held out from a network, cut into full
    batches. Networks of equal (seed, order) see equal batches, wherever they stand in the fleet.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        examples: int,
        batch: int,
        share: float = 0.0,
        device: torch.device | str = "cpu",
    ) -> None:
        """share: of the examples, that is held out from each network. device: where the indices are wanted."""
        self._orders = list(dict.fromkeys((network.seed, network.order) for network in networks))
        place = {order: i for i, order in enumerate(self._orders)}
        self._row = torch.tensor([place[network.seed, network.order] for network in networks])
        self._seen = {seed: np.flatnonzero(~held_out(seed, examples, share)) for seed, _ in self._orders}
        self._batch, self._device = batch, device
        self._per_epoch = steps_per_epoch(examples - round(share * examples), batch)
        self._epoch, self._table = -1, torch.empty(0)

    def at(self, step: int) -> Tensor:
        """Indices (R, batch) of the examples of update `step`."""
        epoch, place = divmod(step, self._per_epoch)
        if epoch != self._epoch:
            orders = [
                stream(seed, "order", order, epoch).permutation(self._seen[seed]) for seed, order in self._orders
            ]
            self._table, self._epoch = torch.from_numpy(np.stack(orders))[self._row].to(self._device), epoch
        return self._table[:, place * self._batch : (place + 1) * self._batch]
