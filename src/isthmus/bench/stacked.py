"""What MLPs could cost at best: every product of all networks in one call, gradients by hand, no new memory.

No autograd, no layout, no choice of model, loss or optimizer: the practical limit of any engine built on PyTorch.
"""

from itertools import pairwise

import torch
from torch import Tensor

from isthmus.bench.cases import MOMENTUM, RATE, Case, parameters, sizes
from isthmus.engine.batches import Batches


class Limit:
    """Trains MLPs on cross-entropy by momentum SGD, `block` of them at a time."""

    def __init__(
        self, case: Case, seeds: range, block: int | None, device: torch.device, start: Tensor | None = None
    ) -> None:
        data = case.data()
        self.case, self.seeds, self.device, self.start = case, seeds, device, start
        self.networks, self.block = len(seeds), min(block or len(seeds), len(seeds))
        self.x, self.y = data.inputs["train"].to(device), data.labels["train"].to(device)

    def reset(self, steps: int) -> None:
        """Fresh networks: `start`, or small normal values."""
        self.steps = steps
        start = (
            0.05 * torch.randn(self.networks, parameters(sizes(self.case))) if self.start is None else self.start
        )
        self.batches = Batches(self.case.recipe(self.seeds, steps).networks, self.case.examples, self.case.batch)
        if steps < self.case.epoch:
            self.batches.at(0)
        self.blocks = []
        for first in range(0, self.networks, self.block):
            rows = slice(first, min(first + self.block, self.networks))
            stack = Stack(sizes(self.case), rows.stop - rows.start, self.case.batch, self.device)
            stack.load(start[rows])
            self.blocks.append((rows, stack))

    def run(self) -> None:
        """All steps of all networks, block by block."""
        for step in range(self.steps):
            chosen = self.batches.at(step).to(self.device)
            for rows, stack in self.blocks:
                stack.step(self.x, self.y, chosen[rows])

    def rows(self) -> Tensor:
        """The networks (R, P) as they are now."""
        return torch.cat([stack.rows() for _, stack in self.blocks])


class Stack:
    """R networks that step together. Values, velocities and gradients are one vector each, parameter by parameter,
    so that every product has contiguous operands and the update is three calls."""

    def __init__(self, sizes: tuple[int, ...], rows: int, batch: int, device: torch.device) -> None:
        self.sizes, self.count, self.batch = sizes, rows, batch
        self.theta, self.velocity, self.gradient = torch.zeros(3, rows * parameters(sizes), device=device)
        self.values, self.slopes = self._split(self.theta), self._split(self.gradient)
        # Inputs of each layer and, last, the logits; then what comes back: the loss's gradient by each of them.
        self.activations = [torch.empty(rows, batch, size, device=device) for size in sizes]
        self.deltas = [torch.empty(rows, batch, size, device=device) for size in sizes]
        self.labels = torch.empty(rows * batch, dtype=torch.int64, device=device)
        self.ones = torch.ones(rows, batch, 1, device=device)

    def _split(self, flat: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Each layer's weights (R, out, in) and biases (R, 1, out) within a vector."""
        layers, place = [], 0
        for a, b in pairwise(self.sizes):
            middle, stop = place + self.count * a * b, place + self.count * (a + 1) * b
            layers.append((flat[place:middle].view(self.count, b, a), flat[middle:stop].view(self.count, 1, b)))
            place = stop
        return layers

    def load(self, rows: Tensor) -> None:
        """Take the values of rows (R, P), and forget all velocity."""
        parts = [part for layer in self.values for part in layer]
        pieces = rows.split([part[0].numel() for part in parts], dim=1)
        for part, piece in zip(parts, pieces, strict=True):
            part.copy_(piece.view(part.shape))
        self.velocity.zero_()

    def rows(self) -> Tensor:
        """The networks as rows (R, P)."""
        return torch.cat([part.flatten(1) for layer in self.values for part in layer], dim=1)

    def step(self, x: Tensor, y: Tensor, chosen: Tensor) -> None:
        """One update on the examples chosen (R, batch)."""
        chosen, inputs = chosen.reshape(-1), self.activations[0]
        torch.index_select(x, 0, chosen, out=inputs.view(-1, inputs.shape[-1]))
        torch.index_select(y, 0, chosen, out=self.labels)
        last = len(self.values) - 1
        for level, (weight, bias) in enumerate(self.values):
            out = self.activations[level + 1]
            torch.baddbmm(bias, self.activations[level], weight.mT, out=out)
            if level < last:
                out.relu_()
        # PyTorch's softmax over ten classes takes four times as long.
        logits = self.activations[-1]
        delta = torch.sub(logits, logits.amax(-1, keepdim=True), out=self.deltas[-1]).exp_()
        delta.div_(delta.sum(-1, keepdim=True))
        delta.scatter_add_(2, self.labels.view(self.count, -1, 1), self.ones.neg())
        delta.mul_(1 / self.batch)
        for level in range(last, -1, -1):
            below, (weight_slope, bias_slope) = self.activations[level], self.slopes[level]
            torch.bmm(delta.mT, below, out=weight_slope)
            torch.sum(delta, 1, keepdim=True, out=bias_slope)
            if level > 0:
                delta = torch.bmm(delta, self.values[level][0], out=self.deltas[level])
                # Where the unit was off nothing comes through; one pass, in place.
                torch.ops.aten.threshold_backward.grad_input(delta, below, 0, grad_input=delta)
        self.velocity.mul_(MOMENTUM).add_(self.gradient)
        self.theta.add_(self.velocity, alpha=-RATE)
