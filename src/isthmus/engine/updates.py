"""The updates of a chunk's rows: what each is given, what it does, and in which order blocks take theirs."""

from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from itertools import cycle
from types import ModuleType

import torch
from torch import Tensor

from isthmus.engine import augment
from isthmus.engine.architecture import Architecture
from isthmus.engine.batches import Batches
from isthmus.engine.dropout import keep
from isthmus.engine.lanes import Lane, Update, lanes
from isthmus.engine.recipe import Network, Recipe
from isthmus.engine.schedules import factors
from isthmus.engine.state import State
from isthmus.engine.working import Working
from isthmus.errors import UserError

# Updates that a block takes in its turn, where reading its rows from memory takes a good part of an update, or
# asking a GPU for one: so they are read once for eight. A save or a request to stop waits for every block's turn.
_TURN = 8

# And where units are gone: rows are then computed as smaller copies, which are written back after each turn.
_CUT_TURN = 32


def optimizer_of(recipe: Recipe) -> ModuleType:
    """The optimizer's module: `init` and `update`."""
    try:
        return import_module(f"isthmus.optimizers.{recipe.optimizer.name}")
    except ModuleNotFoundError as error:
        raise UserError(
            f"study.yaml, optimizer: wanted a module of isthmus.optimizers, found {recipe.optimizer.name!r}"
        ) from error


class Updates:
    """Moves the rows of these networks, block by block; x, y: the training set, on the device of the rows.

    born: the update at which the optimizer's memory was empty: Adam counts from there.
    """

    def __init__(
        self,
        recipe: Recipe,
        networks: Sequence[Network],
        architecture: Architecture,
        x: Tensor,
        y: Tensor,
        born: int,
    ) -> None:
        self.recipe, self.networks, self.architecture = recipe, networks, architecture
        self.x, self.y, self.born, self.device = x, y, born, x.device
        self.optimizer = optimizer_of(recipe)
        self.batches = Batches(networks, len(x), recipe.batch, recipe.held_out, self.device)
        size = architecture.rows_at_once(recipe.batch, self.device.type)
        self.blocks = [slice(at, min(at + size, len(networks))) for at in range(0, len(networks), size)]
        large = architecture.layout.size > architecture.widest * recipe.batch
        self.turn = _TURN if (large and len(self.blocks) > 1) or self.device.type != "cpu" else 1
        self.factors = factors(recipe.schedule.name, recipe.schedule.settings, recipe.steps)
        # The kernel regime multiplies the output by alpha, hence the gradient: alpha^2 in the rate undoes both.
        shrink = 1.0 if recipe.lazy is None else recipe.lazy**-2
        self.rate = torch.tensor([[network.lr * shrink] for network in networks], device=self.device)
        self.jobs: list[tuple[Working, Lane, Update]] = []
        self.lanes: list[Lane] = []

    def prepare(self, works: Sequence[Working], step: int) -> None:
        """Make ready for the updates from `step` on, of each block as it is at work."""
        # Anew, since recordings that are gone take the memory of their lane with them.
        self.jobs, self.lanes = [], lanes(self.device, len(works))
        for work, lane in zip(works, cycle(self.lanes), strict=False):
            given = partial(self._given, work, lane, step, self.batches.at(step))
            with lane.work():
                update = lane.prepared(partial(self._update, work), given, [work.theta, *work.memory.values()])
            self.jobs.append((work, lane, update))

    def take(self, state: State, event: int) -> None:
        """The next few updates of every row, at most until an event, block by block.

        A block takes them all before the next block's turn, so that its rows come into the cache once for them all.
        """
        turn = _CUT_TURN if any(work.cut for work, *_ in self.jobs) else self.turn
        steps = range(state.step, min(event, state.step + turn))
        chosen = [self.batches.at(step) for step in steps]
        for work, lane, update in self.jobs:
            loss = state.tensors["probe/loss"][work.rows]
            with lane.work():
                for step, places in zip(steps, chosen, strict=True):
                    loss[:, step] = update(self._given(work, lane, step, places))
                work.keep(state.tensors["theta"], state.memory())
        for lane in self.lanes:
            lane.wait()
        state.step = steps.stop

    def examples(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs (R, N, *shape) and labels (R, N) at these places (R, N) of the training set."""
        # index_select copies whole examples, x[chosen] number by number.
        x = self.x.index_select(0, chosen.flatten()).view(*chosen.shape, *self.x.shape[1:])
        return x, self.y.index_select(0, chosen.flatten()).view(chosen.shape)

    def _given(self, work: Working, lane: Lane, step: int, chosen: Tensor) -> dict[str, Tensor]:
        """All that update `step` of these rows does not share with their other updates.

        chosen: which examples (R, N) all rows see. rate: (R, 1). age: (), the optimizer's updates before it. For
        what is drawn see augment.py, dropout.py and noise.py.
        """
        networks, batch = self.networks[work.rows], self.recipe.batch
        drawn = {f"augment/{k}": v for k, v in augment.draws(self.recipe.augment, networks, step, batch).items()}
        drawn |= {f"keep/{k}": v for k, v in keep(self.architecture.dropouts, networks, step, batch).items()}
        return {
            "chosen": chosen[work.rows],
            "rate": self.rate[work.rows] * self.factors[step],
            "age": torch.full((), float(step - self.born), device=self.device),
            **{name: lane.sent(value) for name, value in drawn.items()},
            **work.given(step, lane.sent),
        }

    def _update(self, work: Working, given: Mapping[str, Tensor]) -> Tensor:
        """Move these rows by what is given; their batch losses (R,)."""
        x, y = self.examples(given["chosen"])
        if self.recipe.augment:
            x = augment.augment(x, _named("augment/", given))
        gradient, losses = work.block.gradient(x, y, _named("keep/", given))
        work.move(gradient, self.optimizer, self.recipe.optimizer.settings, given)
        return losses


def _named(prefix: str, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What is given under names that begin so, without that beginning."""
    return {name.removeprefix(prefix): value for name, value in given.items() if name.startswith(prefix)}
