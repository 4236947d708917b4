"""Second moments of a network's activations over a data set: what covariance-informed matching weighs with."""

from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.engine.architecture import Architecture
from isthmus.engine.evaluate import blocks

# The names under which the inputs' moments stand beside those of the groups; of images also their channels' alone.
INPUT, CHANNELS = "input", "channels"


@dataclass(frozen=True)
class Moments:
    """E[h h^T] (K, n, n), uncentred, and E[h] (K, n) of each group, of INPUT and of CHANNELS, float64."""

    second: dict[str, Tensor]
    mean: dict[str, Tensor]

    def centred(self) -> "Moments":
        """The same of h - E[h]: covariances, and means of zero."""
        second = {
            group: moment - self.mean[group].unsqueeze(2) * self.mean[group].unsqueeze(1)
            for group, moment in self.second.items()
        }
        return Moments(second, {group: torch.zeros_like(mean) for group, mean in self.mean.items()})


@torch.no_grad()
def second_moments(architecture: Architecture, theta: Tensor, x: Tensor) -> Moments:
    """Moments of the rows theta (K, P) over inputs x (N, *shape), after the activation function.

    Where units answer at many places of an input (pixels, tokens, times), as its channels do, each is one of N.
    Sums over N are divided by N: Ferbach et al. (2024, notebook) divide by N - 1, which no permutation and no
    approximate dimension sees, while one divisor for both moments makes a bias exactly a weight on a constant 1.
    """
    count, examples = len(theta), len(x)
    second, mean = {}, {}
    inputs = {INPUT: x.flatten(1)} | ({CHANNELS: x.movedim(1, -1).flatten(0, -2)} if x.ndim == 4 else {})
    for name, of_inputs in inputs.items():
        features = of_inputs.double()
        second[name] = (features.mT @ features / len(features)).expand(count, -1, -1)
        mean[name] = features.mean(0).expand(count, -1)
    step, width = blocks(architecture, count, examples)
    for start in range(0, count, step):
        rows = slice(start, start + step)
        for i in range(0, examples, width):
            for group, h in architecture.activations(theta[rows], x[i : i + width]).items():
                if group not in second:
                    n = h.shape[2]
                    second[group] = torch.zeros(count, n, n, dtype=torch.float64, device=h.device)
                    mean[group] = torch.zeros(count, n, dtype=torch.float64, device=h.device)
                seen = examples * (h.shape[1] // len(x[i : i + width]))
                second[group][rows] += h.mT @ h / seen
                mean[group][rows] += h.sum(1) / seen
    return Moments(second, mean)
