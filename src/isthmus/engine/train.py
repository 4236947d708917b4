"""Training a chunk of a fleet: all its rows take each step together, and no row knows of the others."""

from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

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
from isthmus.engine.state import State
from isthmus.engine.statistics import refreshed
from isthmus.engine.working import Working
from isthmus.errors import UserError

if TYPE_CHECKING:
    from isthmus.removal.remover import Remover


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

# And where units are gone: rows are then computed as smaller copies, which are written back after each turn.
_CUT_TURN = 32


class Trainer:
    """Takes the networks of one chunk from where they begin to the recipe's last step.

    cuts: whether rows that lost units are computed without them (removal/cut.py). False, for tests, computes whole
    rows and holds what is gone at zero.
    """

    def __init__(
        self,
        recipe: Recipe,
        networks: Sequence[Network],
        data: DataSet,
        start: Start | None = None,
        device: str = "cpu",
        cuts: bool = True,
    ) -> None:
        self.recipe, self.networks, self.device, self.cuts = recipe, networks, torch.device(device), cuts
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
        self.remover = self._remover()
        looks = () if self.remover is None else self.remover.events
        self.events = sorted(
            {recipe.steps, *recipe.checkpoints, *kicks, *looks, *(at for p in recipe.probes for at in p.at)}
        )
        self.factors = factors(recipe.schedule.name, recipe.schedule.settings, recipe.steps)
        # The kernel regime multiplies the output by alpha, hence the gradient: alpha^2 in the rate undoes both.
        shrink = 1.0 if recipe.lazy is None else recipe.lazy**-2
        self.rate = torch.tensor([[network.lr * shrink] for network in networks], device=self.device)

    def _remover(self) -> "Remover | None":
        """What removes units. By name: a change of it is no change of the code that trains whole networks."""
        if self.recipe.removal is None:
            return None
        kind = import_module("isthmus.removal.remover").Remover
        return kind(self.recipe, self.networks, self.architecture, self.x, self.y, self.begin.step)

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
                **({} if self.remover is None else self.remover.start()),
                "probe/loss": torch.full((rows, self.recipe.steps), float("nan"), device=self.device),
                "probe/changed": torch.zeros(rows, dtype=torch.int64),
                **{f"optimizer/{name}": value for name, value in memory.items()},
            },
        )

    def run(self, state: State, after: Callable[[State], None] = lambda state: None) -> State:
        """The state after the last update; `after` is called after every few, and may save the state."""
        working = [self._working(state, rows) for rows in self.blocks]
        while state.step < self.recipe.steps:
            if self._arrive(state):
                working = [self._working(state, rows) for rows in self.blocks]
            self._advance(state, working)
            after(state)
        self._arrive(state)
        state.tensors["probe/diverged_at"] = self._diverged_at(state.tensors["probe/loss"])
        return state

    def _working(self, state: State, rows: slice) -> Working:
        """These rows at work, without the units that they have lost."""
        theta, memory = state.tensors["theta"][rows], {name: value[rows] for name, value in state.memory().items()}
        held, cut = self._held(state, rows), None
        if self.cuts and self.remover is not None and not self.remover.whole(state.tensors, rows):
            cut = self.remover.cut(state.tensors, rows)
        networks, anchor = self.networks[rows], self._anchor(rows)
        return Working.of(self.recipe, networks, self.architecture, rows, theta, memory, anchor, held, cut)

    def _held(self, state: State, rows: slice) -> Held | None:
        """What these rows hold: what is pruned, frozen or removed."""
        if self.remover is None or self.remover.whole(state.tensors, rows):
            return self.held and self.held.rows(rows)
        left = self.remover.left(state.tensors, rows)
        return Held.of(self.architecture.layout, self.first[rows], self.recipe.frozen, left)

    def _anchor(self, rows: slice) -> Tensor | None:
        return None if self.recipe.lazy is None else self.anchor[rows]

    def _diverged_at(self, loss: Tensor) -> Tensor:
        """The first update of this run (R,) whose loss is not finite, or -1."""
        bad = ~loss.isfinite()
        bad[:, : self.begin.step] = False
        return torch.where(bad.any(1), (~bad).cumprod(1).sum(1), -1)

    def _arrive(self, state: State) -> bool:
        """At a step: kick the networks whose turn it is, remove units, then keep and record what is asked for here.

        Gives whether copies of rows at work no longer agree with the state.
        """
        step, recipe, tensors = state.step, self.recipe, state.tensors
        kicked = [row for row, one in enumerate(self.networks) if one.perturbation and one.perturbation.at == step]
        for row in kicked:
            self._kick(state, row, self.networks[row])
        changed = self.remover is not None and (self.remover.arrive(tensors, step) or bool(kicked))
        wanted = [probe for probe in recipe.probes if step in probe.at]
        if not wanted and step not in recipe.checkpoints:
            return changed
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
        return changed

    def _with_statistics(self, theta: Tensor) -> Tensor:
        """A copy of the rows with BatchNorm's statistics of the training set, where there are any."""
        parts = [refreshed(self.architecture, theta[rows], self.x, self.recipe.batch) for rows in self.blocks]
        return torch.cat(parts)

    def _kick(self, state: State, row: int, network: Network) -> None:
        theta, only = state.tensors["theta"], slice(row, row + 1)
        block = Block(self.architecture, self.recipe, theta[only], self._anchor(only))

        def batch_gradient(rng: torch.Generator) -> Tensor:
            chosen = torch.from_numpy(rng.permutation(len(self.x))[: self.recipe.batch]).unsqueeze(0)
            x, y = self._examples(chosen.to(self.device))
            gradient = block.gradient(x, y, {})[0][0].cpu()
            return functional.pad(gradient, (0, theta.shape[1] - len(gradient)))

        moved = (theta[row].cpu().double() + perturb.kick(self.architecture, network, batch_gradient)).float()
        moved = moved.to(self.device)
        if (held := self._held(state, only)) is not None:
            held.restore(moved[None, self.trained])
        state.tensors["probe/changed"][row] = (moved != theta[row]).sum()
        theta[row] = moved

    def _advance(self, state: State, working: Sequence[Working]) -> None:
        """The next few updates of every row, block by block: each its batch, its gradient, its move.

        A block takes them all before the next block's turn, so that its rows come into the cache once for them all.
        """
        event = next(event for event in self.events if event > state.step)
        turn = _CUT_TURN if any(work.cut for work in working) else self.turn
        steps = range(state.step, min(event, state.step + turn))
        chosen, memory = [self.batches.at(step) for step in steps], state.memory()
        settings = self.recipe.optimizer.settings
        for work in working:
            rows, loss = work.rows, state.tensors["probe/loss"][work.rows]
            for step, places in zip(steps, chosen, strict=True):
                batch = self._batch(rows, places[rows].to(self.device), step)
                gradient, loss[:, step] = work.block.gradient(*batch)
                rate = self.rate[rows] * self.factors[step]
                work.move(gradient, self.optimizer, settings, rate, step, step - self.born)
            work.keep(state.tensors["theta"], memory)
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
