"""What does the work of a cell: an object of the method's own, made in the process that is timed."""

from typing import Protocol

import torch
from torch import Tensor

from isthmus.bench.cell import Cell
from isthmus.engine import heap
from isthmus.engine.train import exact_products


class Work(Protocol):
    """A method at work. networks: how many it handles; block: how many together, 0 where it has no choice."""

    networks: int
    block: int

    def reset(self, steps: int) -> None:
        """Make ready for a repetition of so many steps; not timed."""

    def run(self) -> None:
        """Take the steps; timed."""

    def rows(self) -> Tensor:
        """What came of it."""


def begin(cell: Cell, seeds: range) -> Work:
    """The work of one process of a cell, on the networks of these seeds. Imports the method's modules alone."""
    heap.keep()
    torch.set_num_threads(cell.threads)
    exact_products()
    case, device = cell.model, torch.device(cell.device)
    if cell.method == "product":
        from isthmus.bench.products import Product

        return Product(case, device, cell.precision)
    if case.group in ("barrier", "losses"):
        from isthmus.bench.evaluation import Evaluation

        return Evaluation(case, seeds, cell.method, cell.variant, device)
    if cell.method == "engine":
        from isthmus.bench.fleets import Engine

        return Engine(case, seeds, cell.block, device, cell.precision)
    if cell.method == "limit":
        from isthmus.bench.stacked import Limit

        return Limit(case, seeds, cell.block, device)
    from isthmus.bench.plain import Serial

    return Serial(case, seeds, cell.variant, device, cell.precision)


def synchronise(device: str) -> None:
    """Wait until a GPU has done what it was asked for."""
    if device == "cuda":
        torch.cuda.synchronize()
