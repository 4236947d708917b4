"""Some rows of a chunk bound to a module: its parameters are views of the fleet's matrix, made once, so that a step
neither splits rows nor swaps parameters.

Where rows are computed one by one a block is a plain network; else it is the module with one axis more
(models/layers.py), of a single row too: stacked products may round differently.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from copy import deepcopy

import torch
from torch import Tensor, nn

from isthmus.engine.architecture import Architecture, aligned
from isthmus.engine.losses import per_example, with_gradient
from isthmus.engine.recipe import Recipe


class Block:
    """Rows that take each step together. theta: a view (R, P) of theirs; what is written there is seen here.

    anchor: theta_0 (R, P), for a fleet in the kernel regime only.
    """

    def __init__(self, architecture: Architecture, recipe: Recipe, theta: Tensor, anchor: Tensor | None) -> None:
        self.alone = architecture.one_by_one(recipe.batch, theta.device.type)
        self.loss, self.lazy, self.low = recipe.loss, recipe.lazy, recipe.precision == "bfloat16"
        self.device = theta.device.type
        self.by_formula = getattr(architecture.module, "write_gradient", None) is not None and not self.low
        # Plain products, as the formula's, read parameters wherever they begin.
        prepared = (lambda values: values) if self.by_formula else aligned
        self.values = self._split(architecture, theta)
        self.copies = prepared(self.values)
        self.module = _bound(architecture.module, self.copies)
        first = None if anchor is None else prepared(self._split(architecture, anchor))
        self.first = None if first is None else _bound(architecture.module, first)
        if self.by_formula:
            self.gradients = torch.empty(len(theta), architecture.layout.trained, device=theta.device)
            self.into = architecture.layout.split(self.gradients)
        else:
            self.leaves = [self.copies[name].requires_grad_() for name in architecture.layout.parameters]

    def _split(self, architecture: Architecture, theta: Tensor) -> dict[str, Tensor]:
        return architecture.layout.split(theta[0].detach() if self.alone else theta.detach())

    def gradient(self, x: Tensor, y: Tensor, kept: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Gradients (R, trained columns) and batch losses (R,) of the rows, each on its own batch (R, N, ...).

        kept: what dropout leaves, see Architecture.logits. The gradients are good until the next call.
        """
        if self.copies is not self.values:
            with torch.no_grad():
                torch._foreach_copy_([*self.copies.values()], [*self.values.values()])
        for name, value in kept.items():
            for module in (self.module, self.first):
                if module is not None:
                    _put(module, name, value[0] if self.alone else value)
        start = None if self.first is None else self._start(x)
        return self._formula(x, y, start) if self.by_formula else self._autograd(x, y, start)

    def _formula(self, x: Tensor, y: Tensor, start: Tensor | None) -> tuple[Tensor, Tensor]:
        """By what the model's family writes down itself."""

        def criterion(out: Tensor) -> tuple[Tensor, Tensor]:
            out = out if start is None else self.lazy * (out - start)
            losses, gradient = with_gradient(self.loss, out, y)
            return losses.mean(-1), gradient.mul_((self.lazy or 1.0) / y.shape[1])

        losses = self.module.write_gradient(self.module, x, criterion, self.into)
        return self.gradients, losses

    def _autograd(self, x: Tensor, y: Tensor, start: Tensor | None) -> tuple[Tensor, Tensor]:
        """By autograd: a row's loss depends on that row alone, so the gradient of their sum holds everyone's.

        torch.func.grad gives the same, and imports the compiler (1.2 s a process) to do so.
        """
        with torch.autocast(self.device, torch.bfloat16) if self.low else nullcontext():
            out = self._outputs(self.module, x)
        out = out.float() if start is None else self.lazy * (out.float() - start)
        losses = per_example(self.loss, out, y).mean(-1)
        parts = torch.autograd.grad(losses.sum(), self.leaves, allow_unused=True, materialize_grads=True)
        gradient = torch.cat([part.reshape(len(losses), -1) for part in parts], dim=1)
        return gradient, losses.detach()

    @torch.no_grad()
    def _start(self, x: Tensor) -> Tensor:
        """Outputs at theta_0."""
        return self._outputs(self.first, x)

    def _outputs(self, module: nn.Module, x: Tensor) -> Tensor:
        return module(x[0]).unsqueeze(0) if self.alone else module(x)


def _bound(module: nn.Module, values: Mapping[str, Tensor]) -> nn.Module:
    """A copy of the module with these values, themselves, as its parameters and statistics; in training mode."""
    shared = {id(value): value for value in (*module.parameters(), *module.buffers())}
    bound = deepcopy(module, shared).train()
    for name, value in values.items():
        _put(bound, name, value)
    return bound


def _put(module: nn.Module, name: str, value: Tensor) -> None:
    """Make a plain tensor, which torch.nn takes for no Parameter, the module's parameter or buffer of this name."""
    path, _, last = name.rpartition(".")
    part = module.get_submodule(path)
    held = part._parameters if last in part._parameters else part._buffers
    held[last] = value
