"""Small jobs to which things happen in training: what test_engine_faults.py and test_engine_memory.py share."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
from training import KilledError, Steps, dataset, recipe

from isthmus.data import prepared
from isthmus.engine import saves
from isthmus.engine.checkpoints import train_chunk


class At(Steps):
    """A counter that does something once so many steps are taken."""

    def __init__(self, things):
        super().__init__()
        self.things = things

    def advance(self, units=1):
        super().advance(units)
        self.things.get(self.taken, lambda: None)()


def job(out, save, things=None):
    """What a job leaves in `out`, and its counter; it saves after every step, and does things at steps named."""
    counter = At(things or {})
    with instant_saves():
        train_chunk(recipe("adam"), 0, dataset(), out, save, "code", counter, save_every=0.0)
    return out.read_bytes(), counter


@cache
def whole() -> bytes:
    """The chunk of a job to which nothing happens."""
    with tempfile.TemporaryDirectory() as folder:
        return job(Path(folder) / "out", Path(folder) / "save")[0]


@contextmanager
def instant_saves() -> Iterator[None]:
    """Time stands still for saves, so that none takes any, and none is put off for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saves, "time", SimpleNamespace(monotonic=lambda: 0.0))
        yield


def write_data(path):
    """The job's data as a prepared file."""
    data = dataset()
    # safetensors wants each name to have memory of its own.
    inputs, labels = (
        {part: value.clone() for part, value in parts.items()} for parts in (data.inputs, data.labels)
    )
    prepared.save(path, replace(data, inputs=inputs, labels=labels), {})


def killed(save, at=7):
    """A job that was killed in the middle of a step; its save is of the step before."""

    def kill():
        raise KilledError

    with pytest.raises(KilledError):
        job(save.parent / "unused", save, {at: kill})


def flipped(content, place, rng):
    """The content with one bit of this byte flipped."""
    return content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :]
