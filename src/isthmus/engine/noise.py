"""Normal noise on parameters after an update, a function of a network's own seed and the step alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from isthmus.engine.recipe import Network, Recipe
from isthmus.engine.schedules import over_span
from isthmus.engine.streams import stream


@dataclass(frozen=True)
class Noise:
    """theta <- theta + s(t) xi, xi standard normal, of R rows; s(t) = peak factor(t) is a standard deviation, and
    no learning rate is in it (Dufort-Labbé et al. 2024, code).

    seeds: a row's seed, None where its peak is zero. size: trained columns of a whole row, for which xi is drawn.
    columns: those (R, n) that these rows have of it, or None for all. live: whether only scalars with a gradient
    move.
    """

    seeds: Sequence[int | None]
    peaks: Tensor
    factors: Sequence[float]
    size: int
    columns: Tensor | None
    live: bool

    @classmethod
    def of(
        cls, recipe: Recipe, networks: Sequence[Network], size: int, columns: Tensor | None, device: torch.device
    ) -> "Noise | None":
        """The noise on the rows of these networks, None where all their peaks are zero."""
        how = recipe.noise
        if how is None or not any(network.noise for network in networks):
            return None
        seeds = [network.seed if network.noise else None for network in networks]
        peaks = torch.tensor([[network.noise] for network in networks], device=device)
        return cls(seeds, peaks, over_span(how.shape, how.span, recipe.steps), size, columns, how.where == "live")

    def where(self, gradient: Tensor) -> Tensor | None:
        """Which scalars (R, n) move, by the gradients of the task alone; None for all. To be asked before those
        change.
        """
        return gradient != 0 if self.live else None

    def at(self, step: int) -> Tensor:
        """s(t) (R, 1) at this update."""
        return self.peaks * self.factors[step]

    def draw(self, step: int) -> Tensor:
        """xi of this update, of whole rows (R, size), on the CPU."""
        drawn = {
            seed: stream(seed, "noise", step).standard_normal(self.size, dtype=np.float32)
            for seed in dict.fromkeys(self.seeds)
            if seed is not None
        }
        drawn[None] = np.zeros(self.size, dtype=np.float32)
        return torch.from_numpy(np.stack([drawn[seed] for seed in self.seeds]))

    def add(self, theta: Tensor, xi: Tensor, scale: Tensor, where: Tensor | None) -> None:
        """Add, in place, noise xi (R, size) times scale (R, 1) to rows theta (R, n)."""
        if self.columns is not None:
            xi = xi.gather(1, self.columns)
        if where is not None:
            xi = xi * where
        theta.addcmul_(xi, scale)
