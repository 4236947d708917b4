"""A chunk on disk: trained from its save, where there is one, to its finished form."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import torch

from isthmus import tensors
from isthmus.data.prepared import DataSet
from isthmus.engine import heap
from isthmus.engine.recipe import Network, Recipe
from isthmus.engine.saves import Saves, say
from isthmus.engine.start import Start
from isthmus.engine.train import State, Trainer, exact_products
from isthmus.errors import UserError
from isthmus.stopping import Requests, StoppedError

# Seconds between two saves of a running chunk.
SAVE_EVERY = 20.0


class Counter(Protocol):
    """What shows progress; handed in, so that a change of looks is not a change of the engine."""

    def expect(self, total: int) -> None:
        """So many steps there are."""

    def start_at(self, done: int) -> None:
        """So many steps were done before."""

    def advance(self, units: int = 1) -> None:
        """So many more are done."""


def train_chunk(
    recipe: Recipe,
    index: int,
    data: DataSet,
    out: Path,
    save: Path,
    code: str,
    progress: Counter,
    start: Start | None = None,
    device: str = "cpu",
    requests: Requests | None = None,
    save_every: float = SAVE_EVERY,
) -> None:
    """Train chunk `index` and write it to `out`; the state goes to `save` now and then, and from there on.

    The save stays, for the caller to remove when nothing can happen to the chunk any more. code: fingerprint of
    what trains; a save made by other code, recipe, data, start or device is not taken up. start: where the rows
    begin, if not at their initialisation. device: where they are computed. save_every: seconds.

    Raises StoppedError after a request to stop, when the steps at work are done and saved. Raises UserError before
    the first step when `out` or `save` cannot be written to, and after the last one when `out` cannot: the state is
    then saved, if it can be.
    """
    heap.keep()
    torch.set_num_threads(recipe.threads)
    exact_products()
    for path in (out, save):
        tensors.ready(path)
    rows = recipe.chunks[index]
    trainer = Trainer(recipe, recipe.networks[rows], data, start, device)
    header = {
        "recipe": recipe.canonical(),
        "rows": [rows.start, rows.stop],
        "data": data.checksum,
        "code": code,
        "layout": trainer.architecture.layout.describe(),
        "start": None if start is None else start.digest(),
    }
    saves = Saves(save, header | {"device": device}, save_every)
    saved = saves.found(trainer)
    state = saved or trainer.start()
    first = shown = state.step
    progress.expect(recipe.steps)
    progress.start_at(first)

    def after(state: State) -> None:
        nonlocal shown
        with suppress(OSError):  # as in `say`
            progress.advance(state.step - shown)
        shown = state.step
        if state.step == recipe.steps:
            return
        if requests is not None and requests.asked is not None:
            _stop(saves, state, recipe.steps, requests)
        if saves.due:
            saves.attempt(state)

    # A save of the last step is of a chunk that is trained, and could not be written.
    if saved is None or first < recipe.steps:
        trainer.run(state, after)
    diverged = _diverged(trainer.networks, rows.start, state.tensors["probe/diverged_at"].tolist())
    say(f"{state.step - first} of {recipe.steps} steps taken with {len(trainer.networks)} networks, {diverged}")
    kept = {name: value for name, value in state.tensors.items() if name.startswith(("step/", "probe/"))}
    try:
        tensors.save(out, kept, header)
    except UserError as error:
        with suppress(UserError):
            saves.write(state)
        raise UserError(f"{error}; with room for it, the same command {saves.outlook}") from error


def _stop(saves: Saves, state: State, steps: int, requests: Requests) -> None:
    """Save and raise StoppedError."""
    with suppress(UserError):
        saves.write(state)
    asked = requests.asked
    place = f"after step {state.step} of {steps}"
    raise StoppedError(f"stopped by {asked.name} {place}; the same command {saves.outlook}", asked)


def _diverged(networks: Sequence[Network], first: int, steps: Sequence[int]) -> str:
    """Which networks diverged, and when; of many, the first ones. steps: as probe/diverged_at."""
    found = [
        f"row {first + row} (seed {network.seed}, lr {network.lr:g}) at step {step}"
        for row, (network, step) in enumerate(zip(networks, steps, strict=True))
        if step >= 0
    ]
    more = f", and {len(found) - 5} more" if len(found) > 5 else ""
    return f"{len(found)} diverged: {', '.join(found[:5])}{more}" if found else "none diverged"
