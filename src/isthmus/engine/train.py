"""Training a chunk of a fleet: all its rows take each step together, and no row knows of the others."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from isthmus.data.prepared import DataSet
from isthmus.engine import perturb, probes
from isthmus.engine.architecture import Architecture
from isthmus.engine.block import Block
from isthmus.engine.held import Held
from isthmus.engine.recipe import Network, Recipe
from isthmus.engine.start import Start
from isthmus.engine.state import State
from isthmus.engine.statistics import refreshed
from isthmus.engine.updates import Updates
from isthmus.engine.working import Working

if TYPE_CHECKING:
    from isthmus.removal.remover import Remover


def exact_products() -> None:
    """Have a GPU compute float32 products in float32, not in tf32, and equally in each run."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True


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
        self.anchor = self.architecture.initial([network.seed for network in networks]).to(self.device)
        self.begin = start or Start()
        self.begin.check(self.anchor.shape)
        self.first = self.anchor if self.begin.theta is None else self.begin.theta.to(self.device)
        self.held = Held.of(self.architecture.layout, self.first, recipe.frozen, self.begin.mask)
        self.updates = Updates(
            recipe, networks, self.architecture, self.x, self.y, self.begin.step - self.begin.age
        )
        self.ready: State | None = None
        kicks = {network.perturbation.at for network in networks if network.perturbation is not None}
        self.remover = self._remover()
        looks = () if self.remover is None else self.remover.events
        self.events = sorted(
            {recipe.steps, *recipe.checkpoints, *kicks, *looks, *(at for p in recipe.probes for at in p.at)}
        )

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
        memory = self.updates.optimizer.init(theta[:, self.trained], self.recipe.optimizer.settings)
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
        while state.step < self.recipe.steps:
            if self._arrive(state) or self.ready is not state:
                self.prepare(state)
            self.updates.take(state, next(event for event in self.events if event > state.step))
            after(state)
        self._arrive(state)
        state.tensors["probe/diverged_at"] = self._diverged_at(state.tensors["probe/loss"])
        return state

    def prepare(self, state: State) -> None:
        """Make ready for the updates of this state; `run` does so where it was not done."""
        self.updates.prepare([self._working(state, rows) for rows in self.updates.blocks], state.step)
        self.ready = state

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
        parts = [
            refreshed(self.architecture, theta[rows], self.x, self.recipe.batch) for rows in self.updates.blocks
        ]
        return torch.cat(parts)

    def _kick(self, state: State, row: int, network: Network) -> None:
        theta, only = state.tensors["theta"], slice(row, row + 1)
        block = Block(self.architecture, self.recipe, theta[only], self._anchor(only))

        def batch_gradient(rng: torch.Generator) -> Tensor:
            chosen = torch.from_numpy(rng.permutation(len(self.x))[: self.recipe.batch]).unsqueeze(0)
            x, y = self.updates.examples(chosen.to(self.device))
            gradient = block.gradient(x, y, {})[0][0].cpu()
            return functional.pad(gradient, (0, theta.shape[1] - len(gradient)))

        moved = (theta[row].cpu().double() + perturb.kick(self.architecture, network, batch_gradient)).float()
        moved = moved.to(self.device)
        if (held := self._held(state, only)) is not None:
            held.restore(moved[None, self.trained])
        state.tensors["probe/changed"][row] = (moved != theta[row]).sum()
        theta[row] = moved
