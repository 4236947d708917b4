"""Training a chunk of a fleet: all its rows take each step together, and no row knows of the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

import torch
from torch import Tensor

from isthmus.data.prepared import DataSet
from isthmus.engine import perturb
from isthmus.engine.architecture import Architecture
from isthmus.engine.batches import Batches
from isthmus.engine.losses import per_example
from isthmus.engine.recipe import Network, Recipe
from isthmus.engine.schedules import factors
from isthmus.errors import UserError


@dataclass
class State:
    """All that a run needs to go on: the step it stands before, and tensors by name.

    theta (R, P); optimizer/<name>; step/<n>/theta for the checkpoints passed; probe/loss (R, steps), the batch
    loss of each update; probe/diverged_at (R,), the first update with a loss that is not finite, or -1;
    probe/changed (R,), how many scalars a perturbation really moved.
    """

    step: int
    tensors: dict[str, Tensor]


def optimizer_of(recipe: Recipe) -> ModuleType:
    """The optimizer's module: `init` and `update`."""
    try:
        return import_module(f"isthmus.optimizers.{recipe.optimizer.name}")
    except ModuleNotFoundError as error:
        raise UserError(
            f"study.yaml, optimizer: wanted a module of isthmus.optimizers, found {recipe.optimizer.name!r}"
        ) from error


class Trainer:
    """Takes the networks of one chunk from their initialisation to the recipe's last step."""

    def __init__(self, recipe: Recipe, networks: Sequence[Network], data: DataSet) -> None:
        self.recipe, self.networks = recipe, networks
        self.x, self.y = data.inputs["train"], data.labels["train"]
        self.architecture = Architecture.of(recipe, data.shape, data.classes)
        self.optimizer = optimizer_of(recipe)
        self.batches = Batches(networks, len(self.x), recipe.batch)
        self.anchor = self.architecture.initial([network.seed for network in networks])
        self.blocks = _blocks(self.architecture, len(networks), recipe.batch)
        self.factors = factors(recipe.schedule.name, recipe.schedule.settings, recipe.steps)
        # The kernel regime multiplies the output by alpha, hence the gradient: alpha^2 in the rate undoes both.
        shrink = 1.0 if recipe.lazy is None else recipe.lazy**-2
        self.rate = torch.tensor([[network.lr * shrink] for network in networks], dtype=torch.float32)

    def _gradient(self, theta: Tensor, anchor: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients (R, P) and batch losses (R,) of rows on each one's own batch.

        A row's loss depends on that row alone, so the gradient of the sum of all losses holds everyone's. This is
        plain autograd: torch.func.grad gives the same, and imports the compiler (1.2 s a process) to do so.
        """
        theta = theta.detach().requires_grad_()
        losses = per_example(self.recipe.loss, self.architecture.logits(theta, x, anchor), y).mean(-1)
        (gradient,) = torch.autograd.grad(losses.sum(), theta)
        return gradient, losses.detach()

    def start(self) -> State:
        """The state before the first update."""
        rows = len(self.networks)
        optimizer = self.optimizer.init(self.anchor, self.recipe.optimizer.settings)
        return State(
            0,
            {
                "theta": self.anchor.clone(),
                "probe/loss": torch.full((rows, self.recipe.steps), float("nan")),
                "probe/diverged_at": torch.full((rows,), -1),
                "probe/changed": torch.zeros(rows, dtype=torch.int64),
                **{f"optimizer/{name}": value for name, value in optimizer.items()},
            },
        )

    def run(self, state: State, after_step: Callable[[State], None] = lambda state: None) -> State:
        """The state after the last update; `after_step` is called after each, and may save the state."""
        while state.step < self.recipe.steps:
            self._arrive(state)
            self._update(state)
            state.step += 1
            after_step(state)
        self._arrive(state)
        return state

    def _arrive(self, state: State) -> None:
        """At a step: kick the networks whose turn it is, then keep a checkpoint if one is asked for here."""
        for row, network in enumerate(self.networks):
            if network.perturbation is not None and network.perturbation.at == state.step:
                self._kick(state, row, network)
        if state.step in self.recipe.checkpoints:
            state.tensors[f"step/{state.step}/theta"] = state.tensors["theta"].clone()

    def _kick(self, state: State, row: int, network: Network) -> None:
        theta, only = state.tensors["theta"], slice(row, row + 1)

        def batch_gradient(rng: torch.Generator) -> Tensor:
            chosen = torch.from_numpy(rng.permutation(len(self.x))[: self.recipe.batch]).unsqueeze(0)
            return self._gradient(theta[only], self.anchor[only], self.x[chosen], self.y[chosen])[0][0]

        moved = (theta[row].double() + perturb.kick(self.architecture, network, batch_gradient)).float()
        state.tensors["probe/changed"][row] = (moved != theta[row]).sum()
        theta[row] = moved

    def _update(self, state: State) -> None:
        step, tensors, settings = state.step, state.tensors, self.recipe.optimizer.settings
        memory = [name for name in tensors if name.startswith("optimizer/")]
        chosen, rate, loss = self.batches.at(step), self.rate * self.factors[step], tensors["probe/loss"]
        for rows in self.blocks:
            theta, x, y = tensors["theta"][rows], self.x[chosen[rows]], self.y[chosen[rows]]
            gradient, loss[rows, step] = self._gradient(theta, self.anchor[rows], x, y)
            inner = {name.removeprefix("optimizer/"): tensors[name][rows] for name in memory}
            self.optimizer.update(theta, gradient, inner, rate[rows], step, settings)
        diverged = tensors["probe/diverged_at"]
        diverged[(diverged < 0) & ~loss[:, step].isfinite()] = step


# Floats of parameters, or of the widest layer's activations, in one block of rows: 4 MB.
_BLOCK = 1 << 20


def _blocks(architecture: Architecture, rows: int, batch: int) -> list[slice]:
    """Rows that take a step together, so that a core's cache holds them; follows from shapes alone."""
    widest = max(max(slot.shape) for slot in architecture.layout.slots.values())
    size = max(1, _BLOCK // max(architecture.layout.size, widest * batch))
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]
