"""A chunk on disk: its finished form, and the save from which a killed run goes on."""

import time
from pathlib import Path
from typing import Protocol

import torch

from isthmus import tensors
from isthmus.data.prepared import DataSet
from isthmus.engine.recipe import Recipe
from isthmus.engine.start import Start
from isthmus.engine.train import State, Trainer
from isthmus.errors import UserError

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
) -> None:
    """Train chunk `index` and write it to `out`; the state goes to `save` now and then, and from there on.

    code: fingerprint of the code that trains; a save made by other code, recipe, data or start is not taken up.
    start: where the rows begin, if not at their initialisation. device: where they are computed.
    """
    torch.set_num_threads(recipe.threads)
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
    state = _resume(save, header) or trainer.start()
    last = time.monotonic()
    progress.expect(recipe.steps)
    progress.start_at(state.step)

    def after_step(state: State) -> None:
        nonlocal last
        progress.advance()
        if time.monotonic() - last >= SAVE_EVERY and state.step < recipe.steps:
            tensors.save(save, state.tensors, {**header, "step": state.step})
            last = time.monotonic()

    trainer.run(state, after_step)
    kept = {name: value for name, value in state.tensors.items() if name.startswith(("step/", "probe/"))}
    tensors.save(out, kept, header)
    save.unlink(missing_ok=True)


def _resume(save: Path, header: dict) -> State | None:
    """The saved state, or None, with a line that says why, if there is none that fits."""
    if not save.exists():
        return None
    try:
        saved, found = tensors.load(save)
    except UserError as error:
        print(f"starting over: {error}", flush=True)
        return None
    step = found.pop("step", None)
    if found != header or not isinstance(step, int):
        print(f"starting over: {save} was saved by another recipe, other data or other code", flush=True)
        return None
    print(f"going on from step {step} ({save})", flush=True)
    return State(step, saved)
