"""The engine itself: all networks are rows of one fleet, trained by `Trainer` as the workflow trains them."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from isthmus.bench.cases import Case
from isthmus.engine.architecture import Architecture
from isthmus.engine.start import Start
from isthmus.engine.train import Trainer


@contextmanager
def forced(block: int | None) -> Iterator[None]:
    """Within it the engine computes so many rows together, whatever its own rule says; None leaves it its rule."""
    rules = Architecture.rows_at_once, Architecture.one_by_one
    if block is not None:
        Architecture.rows_at_once = lambda self, examples, device="cpu": block
    if block is not None and block > 1:
        Architecture.one_by_one = lambda self, examples, device="cpu": False
    try:
        yield
    finally:
        Architecture.rows_at_once, Architecture.one_by_one = rules


class Engine:
    """Trains a fleet, so many rows at once or as the engine's rule says. start: rows (R, P) to begin at."""

    def __init__(
        self,
        case: Case,
        seeds: range,
        block: int | None,
        device: torch.device,
        precision: str,
        start: Tensor | None = None,
    ) -> None:
        self.case, self.seeds, self.forced, self.device = case, seeds, block, device
        self.precision, self.start, self.data = precision, start, case.data()
        self.networks = len(seeds)

    @property
    def block(self) -> int:
        """Rows at once, of the trainer of the last `reset`."""
        return max(rows.stop - rows.start for rows in self.trainer.updates.blocks)

    def reset(self, steps: int) -> None:
        """A fresh trainer for so many steps."""
        recipe = self.case.recipe(self.seeds, steps, self.precision)
        with forced(self.forced):
            start = None if self.start is None else Start(theta=self.start)
            self.trainer = Trainer(recipe, recipe.networks, self.data, start, self.device.type)
            self.state = self.trainer.start()
            # The data order of an epoch costs what it costs once an epoch, not once in these few steps; and what a
            # GPU records, once a chunk.
            if steps < self.case.epoch or self.device.type != "cpu":
                self.trainer.prepare(self.state)

    def run(self) -> None:
        """All steps of all networks."""
        with forced(self.forced):
            self.trainer.run(self.state)

    def rows(self) -> Tensor:
        """The networks (R, P) as they are now."""
        return self.state.tensors["theta"]
