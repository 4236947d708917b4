"""The save of a chunk in training, from which a killed job goes on: one file, written anew now and then.

A save that cannot be written is told and tried again later: what counts is the chunk at the end.
"""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from isthmus import tensors
from isthmus.engine.train import State, Trainer
from isthmus.errors import UserError


class Saves:
    """The save at `path` of a state that `header` describes, due every so many seconds."""

    def __init__(self, path: Path, header: dict[str, Any], every: float) -> None:
        self.path, self.header, self.every = path, header, every
        self._due = time.monotonic() + every
        self._step: int | None = None
        self._failing = False

    def found(self, trainer: Trainer) -> State | None:
        """The saved state, or None, with a line that says why, if there is none that fits.

        Each tensor goes to the device where a fresh state has it.
        """
        if not self.path.exists():
            return None
        try:
            saved, found = tensors.load(self.path)
        except UserError as error:
            say(f"starting over: {error}")
            return None
        if other := [name for name, value in self.header.items() if found.get(name) != value]:
            wanted = f"wanted a save of this {' and '.join(other)}, found another's"
            say(f"starting over: {self.path}: {wanted}")
            return None
        self._step = found["step"]
        say(f"going on from step {self._step} ({self.path})")
        fresh = trainer.start().tensors
        return State(self._step, {name: value.to(fresh.get(name, value).device) for name, value in saved.items()})

    @property
    def due(self) -> bool:
        """Whether it is time to save again."""
        return time.monotonic() >= self._due

    def attempt(self, state: State) -> None:
        """Save the state, or go on without: a line says when that begins, and when saving works again."""
        try:
            self.write(state)
            if self._failing:
                say(f"saved again at step {state.step}")
            self._failing = False
        except UserError as error:
            if not self._failing:
                say(f"training goes on unsaved from step {state.step}: {error}; killed, it {self.outlook}")
            self._failing = True

    def write(self, state: State) -> None:
        """Save the state; UserError if that cannot be done, and then the save before it stands."""
        began = time.monotonic()
        try:
            tensors.save(self.path, state.tensors, {**self.header, "step": state.step})
            self._step = state.step
        finally:
            now = time.monotonic()
            # A large state on a slow disk is saved less often: saving takes a twentieth of the time at most.
            self._due = now + max(self.every, 19 * (now - began))

    @property
    def outlook(self) -> str:
        """What the same command does when the job ends now."""
        return "starts over" if self._step is None else f"goes on from step {self._step} ({self.path})"


def say(line: str) -> None:
    """Print a line; a log on a full disk must not end the training."""
    with suppress(OSError):
        print(line, flush=True)
