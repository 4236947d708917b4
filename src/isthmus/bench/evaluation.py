"""Losses of many networks on one data set, by the engine and by a loop over plain modules.

Two tasks: points on lines between networks (what a barrier needs), and the loss of each example for each network.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from isthmus.bench import plain
from isthmus.bench.cases import POINTS, Case
from isthmus.connectivity.barrier import on_line
from isthmus.engine.architecture import Architecture
from isthmus.engine.evaluate import logits
from isthmus.engine.losses import per_example


class Evaluation:
    """Evaluates networks, by the method named; `rows()` is what came out: (pairs, points), or (R, examples).

    variant: for the loop, how many examples go through a module at once; by default all.
    """

    def __init__(self, case: Case, seeds: range, method: str, variant: str, device: torch.device) -> None:
        recipe, data = case.recipe(seeds, 1), case.data()
        self.x, self.y = data.inputs["train"].to(device), data.labels["train"].to(device)
        self.architecture = Architecture.of(recipe, data.shape, data.classes)
        self.module = plain.network(case).to(device)
        self.examples = int(variant or len(self.x))
        few = plain.Serial.FEW if method == "serial" else len(seeds)
        pairs = -(-few // POINTS)
        self.networks, self.block = pairs * POINTS if case.name == "barrier" else few, 0
        count = 2 * pairs if case.name == "barrier" else few
        self.theta = self.architecture.initial([*range(count)]).to(device)
        self.task: Callable[[], Tensor] = getattr(self, f"_{case.name}_{method}")

    def reset(self, steps: int) -> None:
        """So many evaluations of everything are wanted."""
        self.steps = steps

    def run(self) -> None:
        """All of them."""
        for _ in range(self.steps):
            self.out = self.task()

    def rows(self) -> Tensor:
        """Losses, in nats."""
        return self.out

    def _barrier_engine(self) -> Tensor:
        return on_line(self.architecture, self.theta[::2], self.theta[1::2], self.x, self.y, POINTS).losses

    def _losses_engine(self) -> Tensor:
        return per_example("cross_entropy", logits(self.architecture, self.theta, self.x), self.y)

    @torch.inference_mode()
    def _barrier_serial(self) -> Tensor:
        alphas = torch.linspace(0, 1, POINTS, device=self.theta.device)
        pairs = zip(self.theta[::2], self.theta[1::2], strict=True)
        return torch.stack([self._mean(torch.lerp(a, b, alpha)) for a, b in pairs for alpha in alphas]).view(
            -1, POINTS
        )

    @torch.inference_mode()
    def _losses_serial(self) -> Tensor:
        return torch.stack([torch.cat(self._losses(row, "none")) for row in self.theta])

    def _mean(self, row: Tensor) -> Tensor:
        return torch.stack(self._losses(row, "sum")).sum() / len(self.x)

    def _losses(self, row: Tensor, reduction: str) -> list[Tensor]:
        """Losses of one network, slice by slice of the examples."""
        nn.utils.vector_to_parameters(row, self.module.parameters())
        slices = zip(self.x.split(self.examples), self.y.split(self.examples), strict=True)
        return [cross_entropy(self.module(x), y, reduction=reduction) for x, y in slices]
