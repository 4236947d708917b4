"""Training a chunk of a fleet: all its rows take each step together, and no row knows of the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

import torch
from torch import Tensor
from torch.nn import functional

from isthmus.data.prepared import DataSet
from isthmus.engine import augment, perturb, probes
from isthmus.engine.architecture import Architecture
from isthmus.engine.batches import Batches
from isthmus.engine.block import Block
from isthmus.engine.dropout import keep
from isthmus.engine.held import Held
from isthmus.engine.recipe import Network, Recipe
from isthmus.engine.schedules import factors
from isthmus.engine.start import Start
from isthmus.engine.statistics import refreshed
from isthmus.errors import UserError


@dataclass
class State:
    """All that a run needs to go on: the step it stands before, and tensors by name.

    theta (R, P); optimizer/<name>; step/<n>/theta for the checkpoints passed, step/<n>/optimizer/<name> where
    memory is kept; probe/mask (R, P), what is kept of pruned rows; probe/loss (R, steps), the batch loss of each
    update; probe/changed (R,), how many scalars a perturbation really moved; probe/<name>/<n> for the recipe's
    probes; and at the end probe/diverged_at (R,), the first update with a loss that is not finite, or -1.
    """

    step: int
    tensors: dict[str, Tensor]

    def memory(self) -> dict[str, Tensor]:
        """The optimizer's tensors by their own names."""
        prefix = "optimizer/"
        return {name[len(prefix) :]: value for name, value in self.tensors.items() if name.startswith(prefix)}


def exact_products() -> None:
    """Have a GPU compute float32 products in float32, not in tf32, and equally in each run."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True


def optimizer_of(recipe: Recipe) -> ModuleType:
    """The optimizer's module: `init` and `update`."""
    try:
        return import_module(f"isthmus.optimizers.{recipe.optimizer.name}")
    except ModuleNotFoundError as error:
        raise UserError(
            f"study.yaml, optimizer: wanted a module of isthmus.optimizers, found {recipe.optimizer.name!r}"
        ) from error


# Updates that a block takes in its turn, where reading its rows from memory takes a good part of an update: so they
# are read once for eight. A save or a request to stop waits for the turn of every block.
_TURN = 8


class Trainer:
    """Takes the networks of one chunk from where they begin to the recipe's last step."""

    def __init__(
        self,
        recipe: Recipe,
        networks: Sequence[Network],
        data: DataSet,
        start: Start | None = None,
        device: str = "cpu",
    ) -> None:
        self.recipe, self.networks, self.device = recipe, networks, torch.device(device)
        self.x, self.y = (part["train"].to(self.device) for part in (data.inputs, data.labels))
        self.architecture = Architecture.of(recipe, data.shape, data.classes)
        self.trained = slice(self.architecture.layout.trained)
        self.optimizer = optimizer_of(recipe)
        self.batches = Batches(networks, len(self.x), recipe.batch, recipe.held_out)
        self.anchor = self.architecture.initial([network.seed for network in networks]).to(self.device)
        self.begin = start or Start()
        self.begin.check(self.anchor.shape)
        # The update at which the optimizer's memory was empty: Adam counts from there.
        self.born = self.begin.step - self.begin.age
        self.first = self.anchor if self.begin.theta is None else self.begin.theta.to(self.device)
        self.held = Held.of(self.architecture.layout, self.first, recipe.frozen, self.begin.mask)
        size = self.architecture.rows_at_once(recipe.batch)
        self.blocks = [slice(at, min(at + size, len(networks))) for at in range(0, len(networks), size)]
        large = self.architecture.layout.size > self.architecture.widest * recipe.batch
        self.turn = _TURN if large and len(self.blocks) > 1 else 1
        kicks = {network.perturbation.at for network in networks if network.perturbation is not None}
        self.events = sorted(
            {recipe.steps, *recipe.checkpoints, *kicks, *(at for p in recipe.probes for at in p.at)}
        )
        self.factors = factors(recipe.schedule.name, recipe.schedule.settings, recipe.steps)
        # The kernel regime multiplies the output by alpha, hence the gradient: alpha^2 in the rate undoes both.
        shrink = 1.0 if recipe.lazy is None else recipe.lazy**-2
        self.rate = torch.tensor([[network.lr * shrink] for network in networks], device=self.device)

    def start(self) -> State:
        """The state before the first update."""
        rows, begin = len(self.networks), self.begin
        theta = self.first.clone()
        if begin.mask is not None:
            theta[~begin.mask.to(self.device)] = 0.0
        memory = self.optimizer.init(theta[:, self.trained], self.recipe.optimizer.settings)
        memory |= {name: value.to(self.device, copy=True) for name, value in begin.memory.items()}
        masks = {} if begin.mask is None else {"probe/mask": begin.mask.clone()}
        return State(
            begin.step,
            {
                "theta": theta,
                **masks,
                "probe/loss": torch.full((rows, self.recipe.steps), float("nan"), device=self.device),
                "probe/changed": torch.zeros(rows, dtype=torch.int64),
                **{f"optimizer/{name}": value for name, value in memory.items()},
            },
        )

    def run(self, state: State, after: Callable[[State], None] = lambda state: None) -> State:
        """The state after the last update; `after` is called after every few, and may save the state."""
        blocks = [(rows, self._block(state, rows)) for rows in self.blocks]
        while state.step < self.recipe.steps:
            self._arrive(state)
            self._advance(state, blocks)
            after(state)
        self._arrive(state)
        state.tensors["probe/diverged_at"] = self._diverged_at(state.tensors["probe/loss"])
        return state

    def _block(self, state: State, rows: slice) -> Block:
        anchor = None if self.recipe.lazy is None else self.anchor[rows]
        return Block(self.architecture, self.recipe, state.tensors["theta"][rows], anchor)

    def _diverged_at(self, loss: Tensor) -> Tensor:
        """The first update of this run (R,) whose loss is not finite, or -1."""
        bad = ~loss.isfinite()
        bad[:, : self.begin.step] = False
        return torch.where(bad.any(1), (~bad).cumprod(1).sum(1), -1)

    def _arrive(self, state: State) -> None:
        """At a step: kick the networks whose turn it is, then keep and record what is asked for here."""
        step, recipe, tensors = state.step, self.recipe, state.tensors
        for row, network in enumerate(self.networks):
            if network.perturbation is not None and network.perturbation.at == step:
                self._kick(state, row, network)
        wanted = [probe for probe in recipe.probes if step in probe.at]
        if not wanted and step not in recipe.checkpoints:
            return
        theta = self._with_statistics(tensors["theta"])
        if step in recipe.checkpoints:
            tensors[f"step/{step}/theta"] = theta
        if step in recipe.memory:
            tensors |= {f"step/{step}/optimizer/{name}": value.clone() for name, value in state.memory().items()}
        anchor = None if recipe.lazy is None else self.anchor
        for probe in wanted:
            x, y = self.x[: probe.examples], self.y[: probe.examples]
            found = probes.take(probe.name, probes.View(self.architecture, theta, x, y, recipe.loss, anchor))
            tensors |= {f"probe/{name}/{step}": value for name, value in found.items()}

    def _with_statistics(self, theta: Tensor) -> Tensor:
        """A copy of the rows with BatchNorm's statistics of the training set, where there are any."""
        parts = [refreshed(self.architecture, theta[rows], self.x, self.recipe.batch) for rows in self.blocks]
        return torch.cat(parts)

    def _kick(self, state: State, row: int, network: Network) -> None:
        theta, only = state.tensors["theta"], slice(row, row + 1)

        def batch_gradient(rng: torch.Generator) -> Tensor:
            chosen = torch.from_numpy(rng.permutation(len(self.x))[: self.recipe.batch]).unsqueeze(0)
            x, y = self._examples(chosen.to(self.device))
            gradient = self._block(state, only).gradient(x, y, {})[0][0].cpu()
            return functional.pad(gradient, (0, theta.shape[1] - len(gradient)))

        moved = (theta[row].cpu().double() + perturb.kick(self.architecture, network, batch_gradient)).float()
        moved = moved.to(self.device)
        if self.held is not None:
            self.held.rows(only).restore(moved[None, self.trained])
        state.tensors["probe/changed"][row] = (moved != theta[row]).sum()
        theta[row] = moved

    def _advance(self, state: State, blocks: Sequence[tuple[slice, Block]]) -> None:
        """The next few updates of every row, block by block: each its batch, its gradient, its optimizer's step.

        A block takes them all before the next block's turn, so that its rows come into the cache once for them all.
        """
        event = next(event for event in self.events if event > state.step)
        steps = range(state.step, min(event, state.step + self.turn))
        tensors, memory, chosen = state.tensors, state.memory(), [self.batches.at(step) for step in steps]
        for rows, block in blocks:
            theta, loss = tensors["theta"][rows, self.trained], tensors["probe/loss"][rows]
            inner = {name: value[rows] for name, value in memory.items()}
            for step, places in zip(steps, chosen, strict=True):
                gradient, loss[:, step] = block.gradient(*self._batch(rows, places[rows].to(self.device), step))
                rate = self.rate[rows] * self.factors[step]
                self._move(theta, gradient, inner, rate, step - self.born, rows)
        state.step = steps.stop

    def _batch(self, rows: slice, chosen: Tensor, step: int) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """These rows' inputs (R, N, *shape), augmented, labels (R, N), and what dropout leaves, at this update."""
        networks, batch = self.networks[rows], self.recipe.batch
        x, y = self._examples(chosen)
        if self.recipe.augment:
            drawn = augment.draws(self.recipe.augment, networks, step, batch)
            x = augment.augment(x, {name: value.to(x.device) for name, value in drawn.items()})
        kept = keep(self.architecture.dropouts, networks, step, batch)
        return x, y, {name: value.to(x.device) for name, value in kept.items()}

    def _examples(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs (R, N, *shape) and labels (R, N) at these places (R, N) of the training set."""
        # index_select copies whole examples, x[chosen] number by number.
        x = self.x.index_select(0, chosen.flatten()).view(*chosen.shape, *self.x.shape[1:])
        return x, self.y.index_select(0, chosen.flatten()).view(chosen.shape)

    def _move(
        self, theta: Tensor, gradient: Tensor, memory: dict[str, Tensor], rate: Tensor, step: int, rows: slice
    ) -> None:
        """The optimizer's step, in place; scalars that are pruned or frozen keep their bits."""
        held = None if self.held is None else self.held.rows(rows)
        if held is not None:
            held.clear(gradient)
        self.optimizer.update(theta, gradient, memory, rate, step, self.recipe.optimizer.settings)
        if held is not None:
            held.restore(theta)
