"""What the machine can do at best: square matrix products, against which every method's arithmetic is held."""

import torch
from torch import Tensor

from isthmus.bench.cases import Case


class Product:
    """One product after another, of matrices that stay where they are."""

    def __init__(self, case: Case, device: torch.device, precision: str) -> None:
        size, kind = case.batch, getattr(torch, precision)
        self.networks, self.block = 1, 0
        self.a, self.b = torch.randn(2, size, size, device=device).to(kind)
        self.out = torch.empty_like(self.a)

    def reset(self, steps: int) -> None:
        """So many products are wanted."""
        self.steps = steps

    def run(self) -> None:
        """All of them."""
        for _ in range(self.steps):
            torch.mm(self.a, self.b, out=self.out)

    def rows(self) -> Tensor:
        """The product."""
        return self.out
